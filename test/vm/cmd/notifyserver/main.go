// SPDX-License-Identifier: LGPL-2.1-or-later

// Notifyserver stands for a desktop's notification server on the session bus:
// it prints what it is asked to show, "ID SUMMARY [ACTION...]" a line, and
// clicks where it is told to, by the method Click(s) of org.clipos.Test.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/godbus/dbus/v5"
)

const (
	name = "org.freedesktop.Notifications"
	path = "/org/freedesktop/Notifications"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve() error {
	bus, err := dbus.ConnectSessionBus()
	if err != nil {
		return err
	}
	defer bus.Close()
	s := &server{bus: bus}
	if err := bus.ExportMethodTable(map[string]any{
		"GetCapabilities":      func() ([]string, *dbus.Error) { return []string{"actions", "body"}, nil },
		"GetServerInformation": func() (a, b, c, d string, e *dbus.Error) { return "test", "", "1", "1.2", nil },
		"Notify":               s.notify,
		"CloseNotification":    s.closeNotification,
	}, path, name); err != nil {
		return err
	}
	if err := bus.ExportMethodTable(map[string]any{"Click": s.click}, path, "org.clipos.Test"); err != nil {
		return err
	}
	if reply, err := bus.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		return fmt.Errorf("%s is not to be had: %v, %w", name, reply, err)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	<-end
	return nil
}

// server is called by one client, one call after the other.
type server struct {
	bus  *dbus.Conn
	last uint32
}

func (s *server) notify(_ string, replaces uint32, _, summary, _ string, actions []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	if replaces == 0 || replaces != s.last {
		s.last++
	}
	line := fmt.Sprintf("%d %s", s.last, summary)
	for i := 0; i+1 < len(actions); i += 2 {
		line += fmt.Sprintf(" [%s]", actions[i])
	}
	fmt.Println(line)
	return s.last, nil
}

func (s *server) closeNotification(id uint32) *dbus.Error {
	_ = s.bus.Emit(path, name+".NotificationClosed", id, uint32(3))
	return nil
}

func (s *server) click(action string) *dbus.Error {
	_ = s.bus.Emit(path, name+".ActionInvoked", s.last, action)
	return nil
}
