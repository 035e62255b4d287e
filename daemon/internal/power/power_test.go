// SPDX-License-Identifier: LGPL-2.1-or-later

package power

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// attributes of one supply by name, as sysfs shows them but for the newline.
type attributes map[string]string

func battery(status string) attributes {
	return attributes{"type": "Battery", "present": "1", "status": status, "capacity": "71"}
}

func mains(online string) attributes { return attributes{"type": "Mains", "online": online} }

func usbC(online string) attributes {
	return attributes{"type": "USB", "usb_type": "C [PD] PD_PPS", "online": online, "scope": "System"}
}

var headset = attributes{"type": "Battery", "scope": "Device", "status": "Discharging", "present": "1", "online": "1"}

// tree builds a sysfs as the kernel does: what is below class are links to
// the devices.
func tree(t *testing.T, supplies map[string]attributes) string {
	t.Helper()
	sysfs := t.TempDir()
	class := filepath.Join(sysfs, "class", "power_supply")
	must(t, os.MkdirAll(class, 0o755))
	for name, all := range supplies {
		device := filepath.Join("devices", "platform", "bus", "power_supply", name)
		must(t, os.MkdirAll(filepath.Join(sysfs, device), 0o755))
		must(t, os.Symlink(filepath.Join("..", "..", device), filepath.Join(class, name)))
		for attribute, value := range all {
			must(t, os.WriteFile(filepath.Join(class, name, attribute), []byte(value+"\n"), 0o644))
		}
	}
	return sysfs
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnBattery(t *testing.T) {
	for name, c := range map[string]struct {
		supplies map[string]attributes
		want     bool
	}{
		"no supplies":                     {nil, false},
		"laptop, charging":                {map[string]attributes{"AC": mains("1"), "BAT0": battery("Charging")}, false},
		"laptop, mains and full":          {map[string]attributes{"AC": mains("1"), "BAT0": battery("Full")}, false},
		"laptop, unplugged":               {map[string]attributes{"AC": mains("0"), "BAT0": battery("Discharging")}, true},
		"laptop, weak charger":            {map[string]attributes{"AC": mains("1"), "BAT0": battery("Discharging")}, false},
		"laptop, unplugged, headset":      {map[string]attributes{"AC": mains("0"), "BAT0": battery("Discharging"), "hid-a0": headset}, true},
		"laptop, plugged, headset":        {map[string]attributes{"AC": mains("1"), "BAT0": battery("Charging"), "hid-a0": headset}, false},
		"charger never reported":          {map[string]attributes{"AC": mains("0"), "BAT0": battery("Not charging"), "hid-a0": headset}, false},
		"a mouse's cradle is no charger":  {map[string]attributes{"BAT0": battery("Discharging"), "cradle": {"type": "Mains", "scope": "Device", "online": "1"}}, true},
		"desktop with a headset":          {map[string]attributes{"hid-a0": headset}, false},
		"desktop, USB-C of a card":        {map[string]attributes{"ucsi-source-psy-1": usbC("0")}, false},
		"laptop, USB-C":                   {map[string]attributes{"BAT0": battery("Charging"), "ucsi-source-psy-1": usbC("0"), "ucsi-source-psy-2": usbC("1")}, false},
		"laptop, USB-C, negotiated":       {map[string]attributes{"BAT0": battery("Discharging"), "tcpm-source-psy-1": usbC("2")}, false},
		"laptop, USB-C, nothing plugged":  {map[string]attributes{"BAT0": battery("Discharging"), "ucsi-source-psy-1": usbC("0")}, true},
		"old kernel's USB":                {map[string]attributes{"BAT0": battery("Discharging"), "usb": {"type": "USB_PD", "online": "1"}}, false},
		"charger without online":          {map[string]attributes{"BAT0": battery("Discharging"), "usb": {"type": "USB"}}, true},
		"two batteries, one discharging":  {map[string]attributes{"BAT0": battery("Not charging"), "BAT1": battery("Discharging"), "AC": mains("0")}, true},
		"two batteries, plugged":          {map[string]attributes{"BAT0": battery("Charging"), "BAT1": battery("Discharging"), "AC": mains("1")}, false},
		"no mains, discharging":           {map[string]attributes{"BAT0": battery("Discharging")}, true},
		"no mains, charging":              {map[string]attributes{"BAT0": battery("Charging")}, false},
		"no mains, full":                  {map[string]attributes{"BAT0": battery("Full")}, false},
		"no mains, not charging":          {map[string]attributes{"BAT0": battery("Not charging")}, false},
		"battery without scope, present":  {map[string]attributes{"BAT0": {"type": "Battery", "status": "Discharging"}}, true},
		"battery of the system":           {map[string]attributes{"BAT0": {"type": "Battery", "scope": "System", "status": "Discharging"}}, true},
		"battery of unknown scope":        {map[string]attributes{"BAT0": {"type": "Battery", "scope": "Unknown", "status": "Discharging"}}, true},
		"empty slot":                      {map[string]attributes{"BAT1": {"type": "Battery", "present": "0", "status": "Unknown"}}, false},
		"empty slot, other discharging":   {map[string]attributes{"BAT0": battery("Discharging"), "BAT1": {"type": "Battery", "present": "0", "status": "Unknown"}}, true},
		"UPS":                             {map[string]attributes{"ups": {"type": "UPS", "online": "1", "status": "Discharging"}}, false},
		"UPS is no charger":               {map[string]attributes{"ups": {"type": "UPS", "online": "1"}, "BAT0": battery("Discharging")}, true},
		"other types":                     {map[string]attributes{"pad": {"type": "Wireless", "online": "1"}, "what": {"type": "Unknown"}}, false},
		"unplugged while it is listed":    {map[string]attributes{"BAT0": {}}, false},
		"a charger settles what is wrong": {map[string]attributes{"AC": mains("1"), "BAT0": battery("Unknown"), "BAT1": {"type": "\x00"}, "ZZ": mains("9")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := OnBattery(tree(t, c.supplies))
			if err != nil || got != c.want {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestOnBatteryCannotTell(t *testing.T) {
	long := strings.Repeat("Battery", 1<<20)
	for name, c := range map[string]struct {
		supplies map[string]attributes
		want     string
	}{
		"type of nothing":       {map[string]attributes{"BAT0": {"type": ""}}, `power supply "BAT0": type is ""`},
		"type unknown":          {map[string]attributes{"BAT0": {"type": "Fusion"}}, `power supply "BAT0": type is "Fusion"`},
		"type binary":           {map[string]attributes{"BAT0": {"type": "\x1b[2J\x00\n"}}, `power supply "BAT0": type is "\x1b[2J\x00\n"`},
		"type endless":          {map[string]attributes{"BAT0": {"type": long}}, `power supply "BAT0": type is longer than 64 bytes`},
		"scope":                 {map[string]attributes{"BAT0": {"type": "Battery", "scope": "Galaxy"}}, `power supply "BAT0": scope is "Galaxy"`},
		"present":               {map[string]attributes{"BAT0": {"type": "Battery", "present": "-1"}}, `power supply "BAT0": present is "-1"`},
		"status unknown":        {map[string]attributes{"BAT0": battery("Unknown")}, `power supply "BAT0": status is "Unknown"`},
		"status missing":        {map[string]attributes{"BAT0": {"type": "Battery"}}, `power supply "BAT0": status is "Unknown"`},
		"status":                {map[string]attributes{"BAT0": battery("discharging")}, `power supply "BAT0": status is "discharging"`},
		"online":                {map[string]attributes{"AC": mains("yes")}, `power supply "AC": online is "yes"`},
		"online, no line":       {map[string]attributes{"AC": mains("")}, `power supply "AC": online is ""`},
		"beside a discharging":  {map[string]attributes{"AC": mains("9"), "BAT0": battery("Discharging")}, `power supply "AC": online is "9"`},
		"a name from elsewhere": {map[string]attributes{"a\x1b": mains("9")}, `power supply "a\x1b": online is "9"`},
		"two": {
			map[string]attributes{"BAT1": battery(""), "BAT0": battery("Unknown")},
			"power supply \"BAT0\": status is \"Unknown\"\npower supply \"BAT1\": status is \"\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := OnBattery(tree(t, c.supplies))
			if got || err == nil || err.Error() != c.want {
				t.Errorf("%v, %v, want %s", got, err, c.want)
			}
		})
	}
}

// What is no readable attribute in its place.
func TestOnBatteryUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(file string) error
		want error
	}{
		"a folder": {func(file string) error { return os.Mkdir(file, 0o755) }, unix.EISDIR},
		"a loop":   {func(file string) error { return os.Symlink("online", file) }, unix.ELOOP},
	} {
		t.Run(name, func(t *testing.T) {
			sysfs := tree(t, map[string]attributes{"AC": {"type": "Mains"}, "BAT0": battery("Discharging")})
			must(t, c.put(filepath.Join(sysfs, "class", "power_supply", "AC", "online")))
			if got, err := OnBattery(sysfs); got || !errors.Is(err, c.want) {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// A FIFO does not hold it up; it is read as empty.
func TestOnBatteryFIFO(t *testing.T) {
	sysfs := tree(t, map[string]attributes{"AC": {"type": "Mains"}})
	must(t, unix.Mkfifo(filepath.Join(sysfs, "class", "power_supply", "AC", "online"), 0o600))
	if got, err := OnBattery(sysfs); got || err == nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestOnBatteryFolder(t *testing.T) {
	if got, err := OnBattery(t.TempDir()); got || err != nil {
		t.Errorf("without sysfs: %v, %v", got, err)
	}
	sysfs := tree(t, nil)
	class := filepath.Join(sysfs, "class", "power_supply")
	// Linked to nothing: unplugged since it was listed.
	must(t, os.Symlink("../../devices/gone", filepath.Join(class, "BAT0")))
	if got, err := OnBattery(sysfs); got || err != nil {
		t.Errorf("a dangling link: %v, %v", got, err)
	}
	for n := range maxSupplies {
		must(t, os.Mkdir(filepath.Join(class, fmt.Sprint("BAT", n+1)), 0o755))
	}
	if got, err := OnBattery(sysfs); got || err == nil || !strings.HasSuffix(err.Error(), "more than 256 power supplies") {
		t.Errorf("too many: %v, %v", got, err)
	}
	must(t, os.RemoveAll(class))
	must(t, os.WriteFile(class, nil, 0o644))
	if got, err := OnBattery(sysfs); got || !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("no folder: %v, %v", got, err)
	}
}

// FuzzOnBattery: whatever drivers say, a machine with a charger online is not on
// battery power, one is only when a battery discharges, and what is not known
// is an error in one printable line for each supply.
func FuzzOnBattery(f *testing.F) {
	f.Add("Mains", "", "", "0", "Battery", "System", "1", "Discharging")
	f.Add("USB", "System", "", "1", "Battery", "", "1", "Charging")
	f.Add("Battery", "Device", "1", "Discharging", "Battery", "", "0", "Unknown")
	f.Add("UPS", "", "", "1", "BrickID", "Unknown", "", "2")
	f.Add("Fusion", "\x1b[2J", "", "", "Mains", "Galaxy", "\x00", strings.Repeat("9", maxAttributeBytes+1))
	f.Fuzz(func(t *testing.T, type1, scope1, present1, state1, type2, scope2, present2, state2 string) {
		supplies := map[string]attributes{
			"A": {"type": type1, "scope": scope1, "present": present1, "online": state1, "status": state1},
			"B": {"type": type2, "scope": scope2, "present": present2, "online": state2, "status": state2},
		}
		charged, discharges := false, false
		for _, a := range supplies {
			for _, optional := range []string{"scope", "present"} {
				if a[optional] == "" {
					delete(a, optional)
				}
			}
			ofMachine := a["scope"] != "Device"
			charged = charged || ofMachine && a["type"] != "Battery" && strings.Contains("12", a["online"])
			discharges = discharges || ofMachine && a["type"] == "Battery" && a["status"] == "Discharging" && a["present"] != "0"
		}
		got, err := OnBattery(tree(t, supplies))
		if got && (err != nil || !discharges) || !got && err == nil && discharges && !charged {
			t.Errorf("%q: %v, %v", supplies, got, err)
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }) {
			t.Errorf("error %q", err)
		}
	})
}
