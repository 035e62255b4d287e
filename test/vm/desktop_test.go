// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"strings"
	"testing"
	"time"
)

// desktop is the session of a user whom a polkit rule lets update and restart.
// There is no screen: what counts is the user's own systemd, the unit as it is
// shipped, two buses, logind and polkit.
const (
	desktopUser    = "operator"
	desktopRuntime = "/run/user/1000"
	desktopBus     = "unix:path=" + desktopRuntime + "/bus"
	// desktopShown is what the notification server was asked to show.
	desktopShown = desktopRuntime + "/shown"
	// desktopState is where the session's programs remember things.
	desktopState = "/var/lib/operator"
	// desktopTarget stands for a desktop; nobody may start the graphical session
	// by itself (systemd.special(7)).
	desktopTarget = "[Unit]\nDescription=Desktop\nBindsTo=graphical-session.target\nBefore=graphical-session.target\n"
)

// The user is told of an update, installs it and restarts the computer, with
// two clicks on what the shipped unit shows.
func TestDesktop(t *testing.T) {
	m := scenario(t)
	m.startDesktop()
	m.offer(nextVersion)
	m.click("install")
	m.click("restart")
	m.awaitBoot(nextVersion)
	m.wantUpdated()
}

// startDesktop starts what a display manager would.
func (m *machine) startDesktop() {
	m.Helper()
	server := m.install("notifyserver")
	m.run("install", "-d", "-o", desktopUser, "-g", desktopUser, desktopState)
	m.run("systemctl", "start", "user@1000.service")
	m.asUser("systemd-run", "--user", "--quiet", "--unit=bus", "dbus-daemon", "--session", "--nofork", "--address="+desktopBus)
	m.eventually("the session bus", func() bool { return m.succeeds("test", "-S", desktopRuntime+"/bus") })
	m.asUser("systemctl", "--user", "set-environment", "DBUS_SESSION_BUS_ADDRESS="+desktopBus, "XDG_STATE_HOME="+desktopState)
	m.asUser("systemd-run", "--user", "--quiet", "--unit=shows", "--property=StandardOutput=file:"+desktopShown, server)
	m.run("install", "-d", "-o", desktopUser, "-g", desktopUser, desktopRuntime+"/systemd/user")
	m.put(desktopRuntime+"/systemd/user/desktop.target", desktopTarget)
	m.asUser("systemctl", "--user", "daemon-reload")
	m.asUser("systemctl", "--user", "start", "desktop.target")
	// A desktop that starts the file in autostart too has not two of them.
	m.asUser("env", "XDG_STATE_HOME="+desktopState, "timeout", "60", "updater-notify")
	if got := strings.TrimSpace(m.asUser("systemctl", "--user", "is-active", "updater-notify.service")); got != "active" {
		m.Errorf("updater-notify.service is %s", got)
	}
}

// click waits for a button and clicks it.
func (m *machine) click(button string) {
	m.Helper()
	m.eventually("the button "+button, func() bool {
		lines := strings.Split(strings.TrimSpace(m.run("cat", desktopShown)), "\n")
		return strings.Contains(lines[len(lines)-1], "["+button+"]")
	})
	m.Logf("shown so far:\n%s", m.run("cat", desktopShown))
	m.asUser("busctl", "--user", "call", "org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.clipos.Test", "Click", "s", button)
}

// asUser runs a program in the session; it must succeed.
func (m *machine) asUser(args ...string) string {
	m.Helper()
	return m.run(append([]string{
		"setpriv", "--reuid=" + desktopUser, "--regid=" + desktopUser, "--clear-groups",
		"env", "XDG_RUNTIME_DIR=" + desktopRuntime, "DBUS_SESSION_BUS_ADDRESS=" + desktopBus,
	}, args...)...)
}

// eventually waits until something is so.
func (m *machine) eventually(what string, is func() bool) {
	m.Helper()
	for limit := time.Now().Add(callLimit); !is(); time.Sleep(time.Second) {
		if time.Now().After(limit) {
			m.Fatalf("waited in vain for %s; in the journal:\n%s", what, m.run("journalctl", "--boot", "--no-pager", "--lines=40"))
		}
	}
}

func (m *machine) succeeds(args ...string) bool {
	m.Helper()
	result, err := m.try(args...)
	return err == nil && result.Status == 0
}
