// SPDX-License-Identifier: LGPL-2.1-or-later

package desktop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/clipos/updater/test/machine"
)

// xfconf has the server write down what it shows.
const xfconf = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-notifyd" version="1.0">
  <property name="notification-log" type="bool" value="true"/>
  <property name="log-level" type="uint" value="1"/>
  <property name="do-fadeout" type="bool" value="false"/>
  <property name="do-slideout" type="bool" value="false"/>
  <property name="initial-opacity" type="double" value="1.0"/>
  <property name="notify-location" type="uint" value="0"/>
</channel>
`

// xfce is the notification server of Xfce.
type xfce struct{ *desktop }

// The multiarch triplet is the only part of the path that varies.
const notifydPattern = "/usr/lib/*/xfce4/notifyd/xfce4-notifyd"

func startXfce(d *desktop) xfce {
	d.t.Helper()
	paths, err := filepath.Glob(notifydPattern)
	if err != nil || len(paths) == 0 {
		d.t.Fatalf("no %s (Debian package xfce4-notifyd)", notifydPattern)
	}
	// The bus starts Xfce's configuration service, and nothing else.
	const service = "org.xfce.Xfconf.service"
	text, err := os.ReadFile("/usr/share/dbus-1/services/" + service)
	if err != nil {
		d.t.Fatalf("%v (Debian package xfconf)", err)
	}
	for name, content := range map[string]string{
		"services/" + service: strings.Replace(string(text), "Exec=", "Exec=/usr/bin/env "+strings.Join(d.environment(), " ")+" ", 1),
		"home/.config/xfce4/xfconf/xfce-perchannel-xml/xfce4-notifyd.xml": xfconf,
	} {
		if err := machine.WriteFile(filepath.Join(d.dir, name), content); err != nil {
			d.t.Fatal(err)
		}
	}
	if _, _, err := d.session.Busctl(d.t, 0, "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig"); err != nil {
		d.t.Fatal(err)
	}
	d.run("xfce4-notifyd", paths[0])
	return xfce{d}
}

// logged is what the server showed and is worth keeping: progress is not.
func (x xfce) logged() string {
	text, err := os.ReadFile(filepath.Join(x.dir, "home/.cache/xfce4/notifyd/log"))
	if err != nil && !os.IsNotExist(err) {
		x.t.Fatal(err)
	}
	return string(text)
}

// sees waits until the server has logged a text, and takes a picture.
func (x xfce) sees(step, pattern string) {
	x.t.Helper()
	x.until("logged: "+pattern, func() bool { return regexp.MustCompile(pattern).MatchString(x.logged()) })
	x.until("one notification is on the screen", func() bool { return len(x.windows()) == 1 })
	x.picture(step)
}

// windows are the notifications on the screen.
func (x xfce) windows() []string {
	return strings.Fields(x.command("/usr/bin/sh", "-c", "xdotool search --onlyvisible --class xfce4-notifyd || true"))
}

// click clicks, with the mouse, a button of the row at the bottom, which all
// have the same width: the first is 0.
func (x xfce) click(button, buttons int) {
	x.t.Helper()
	x.until("a notification is on the screen", func() bool { return len(x.windows()) == 1 })
	geometry := x.command("/usr/bin/xdotool", "getwindowgeometry", "--shell", x.windows()[0])
	value := func(name string) int {
		m := regexp.MustCompile(`(?m)^` + name + `=(\d+)$`).FindStringSubmatch(geometry)
		if m == nil {
			x.t.Fatalf("no %s in %q", name, geometry)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			x.t.Fatal(err)
		}
		return n
	}
	left := value("X") + value("WIDTH")*(2*button+1)/(2*buttons)
	x.command("/usr/bin/xdotool", "mousemove", fmt.Sprint(left), fmt.Sprint(value("Y")+value("HEIGHT")-30), "click", "1")
}

// TestXfce: an update that fails first, in French.
func TestXfce(t *testing.T) {
	t.Parallel()
	x := startXfce(newDesktop(t, "xfce", "fr_FR.UTF-8", "-br"))
	slow, away := x.machine()
	slow.Store(true)
	x.applet()
	if _, err := x.client.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.sees("1-available", `body=La version 5\.0\.0-alpha\.3 peut être installée`)
	away.Store(true)
	x.click(0, 3)
	x.sees("2-failed", `body=Le serveur de mise à jour est injoignable`)
	away.Store(false)
	x.click(0, 3)
	x.until("a quarter is there", func() bool {
		o, err := x.client.Overview(t.Context())
		return err == nil && o.Status.Progress > 0.25
	})
	x.picture("3-progress")
	slow.Store(false)
	x.sees("4-ready", `body=La version 5\.0\.0-alpha\.3 est installée`)
	x.click(0, 3)
	if interactive := <-x.login.Reboots; !interactive {
		t.Error("the user may not be asked for permission")
	}
}
