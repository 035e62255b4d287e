// SPDX-License-Identifier: LGPL-2.1-or-later

// Package power tells whether the machine runs on battery power, by what the
// kernel says in /sys/class/power_supply (Documentation/ABI/testing/
// sysfs-class-power). There every supply is a folder, or a link to one:
//
//	BAT0/type    Battery        AC/type    Mains, USB, …
//	BAT0/scope   System         AC/scope   System
//	BAT0/present 1              AC/online  0, 1, 2
//	BAT0/status  Discharging
//
// The answer is that of systemd's ConditionACPower=: a machine is on battery
// power when no charger is online and a battery discharges. A battery that
// does not discharge counts for a charger, because some machines report none
// for USB-C; an offline charger alone counts for nothing, because a desktop's
// graphics card has one. Supplies of scope Device, the battery of a mouse or a
// headset, never count, and neither does a UPS, which is online when it runs on
// its own battery too.
//
// What is there and cannot be read or understood is an error, unless a charger
// is online: then the rest does not matter.
package power

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxSupplies is more than any machine has.
	maxSupplies = 256
	// maxAttributeBytes is more than every attribute read here can be.
	maxAttributeBytes = 64
)

// state is what one supply, or all together, say.
type state int

const (
	silent state = iota // says nothing about the machine
	charger
	discharging
)

// OnBattery tells whether the machine whose sysfs is mounted at a folder,
// usually /sys, runs on battery power. A machine without supplies, a desktop
// or a virtual one, does not.
func OnBattery(sysfs string) (bool, error) {
	folder := filepath.Join(sysfs, "class", "power_supply")
	names, err := list(folder)
	if err != nil {
		return false, err
	}
	onBattery := false
	var errs []error
	for _, name := range names {
		s, err := supply(filepath.Join(folder, name)).state()
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("power supply %.40q: %w", name, err))
		case s == charger:
			return false, nil
		case s == discharging:
			onBattery = true
		}
	}
	if len(errs) > 0 {
		return false, errors.Join(errs...)
	}
	return onBattery, nil
}

// list returns the names of the supplies, sorted; none without the folder.
func list(folder string) ([]string, error) {
	f, err := os.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(maxSupplies + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxSupplies {
		return nil, fmt.Errorf("%s: more than %d power supplies", folder, maxSupplies)
	}
	slices.Sort(names)
	return names, nil
}

// supply is the folder of one.
type supply string

func (s supply) state() (state, error) {
	kind, err := s.read("type")
	if errors.Is(err, errAbsent) {
		// Unplugged since it was listed.
		return silent, nil
	}
	if err != nil {
		return silent, err
	}
	scope, err := s.oneOf("scope", "System", "System", "Device", "Unknown")
	if err != nil || scope == "Device" {
		return silent, err
	}
	switch kind {
	case "Battery":
		return s.battery()
	// The longer names are those of older kernels.
	case "Mains", "USB", "USB_DCP", "USB_CDP", "USB_ACA", "USB_C", "USB_PD", "USB_PD_DRP", "BrickID":
		return s.charger()
	case "UPS", "Wireless", "Unknown":
		return silent, nil
	}
	return silent, fmt.Errorf("type is %.40q", kind)
}

func (s supply) battery() (state, error) {
	present, err := s.oneOf("present", "1", "1", "0")
	if err != nil || present == "0" {
		return silent, err
	}
	// "Unknown" is a status too, and no answer.
	status, err := s.oneOf("status", "Unknown", "Charging", "Discharging", "Not charging", "Full")
	if err != nil || status != "Discharging" {
		return silent, err
	}
	return discharging, nil
}

func (s supply) charger() (state, error) {
	// 2 is online with a voltage that was negotiated.
	online, err := s.oneOf("online", "0", "0", "1", "2")
	if err != nil || online == "0" {
		return silent, err
	}
	return charger, nil
}

// oneOf reads an attribute that must have one of some values, absent when the
// supply does not have it.
func (s supply) oneOf(attribute, absent string, values ...string) (string, error) {
	value, err := s.read(attribute)
	if errors.Is(err, errAbsent) {
		value, err = absent, nil
	}
	if err == nil && !slices.Contains(values, value) {
		err = fmt.Errorf("%s is %.40q", attribute, value)
	}
	return value, err
}

var errAbsent = errors.New("no such attribute")

// read returns an attribute without its newline.
func (s supply) read(attribute string) (string, error) {
	// O_NONBLOCK: a fake system may have a FIFO here.
	f, err := os.OpenFile(filepath.Join(string(s), attribute), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errAbsent
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAttributeBytes+1))
	switch {
	case errors.Is(err, unix.ENODEV):
		// Unplugged while it was read.
		return "", errAbsent
	case err != nil:
		return "", err
	case len(data) > maxAttributeBytes:
		return "", fmt.Errorf("%s is longer than %d bytes", attribute, maxAttributeBytes)
	}
	return strings.TrimSuffix(string(data), "\n"), nil
}
