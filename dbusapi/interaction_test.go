// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"slices"
	"testing"

	"github.com/clipos/updater/dbusapi/dbustest"
)

// willingness records whether callers allow that somebody is asked.
type willingness chan bool

func (w willingness) authorise(_ context.Context, _ caller, _ action, interactive bool) error {
	w <- interactive
	return nil
}

func TestInteractionIsAllowedOnRequest(t *testing.T) {
	bus, w := dbustest.Start(t), make(willingness, 1)
	s := newService(t, bus, &fakeController{})
	s.authoriser = w
	run(t, s)
	for name, interactive := range map[string]bool{"by default": false, "allowed": true} {
		client := newClient(t, bus)
		if interactive {
			client.AllowInteraction()
		}
		if _, err := client.Check(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := <-w; got != interactive {
			t.Errorf("%s: %v", name, got)
		}
		if _, err := client.Overview(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever may be asked for a password is waited for; who only reads is not
// kept waiting.
func TestWhoIsWaitedFor(t *testing.T) {
	willing := &Client{interactive: true}
	var quick []string
	for _, m := range describedInterface(t, Interface).Methods {
		if _, limit := (&Client{}).manner(Interface, m.Name); limit != replyLimit {
			t.Errorf("%s: %v without interaction", m.Name, limit)
		}
		switch _, limit := willing.manner(Interface, m.Name); limit {
		case replyLimit:
			quick = append(quick, m.Name)
		case interactionLimit:
		default:
			t.Errorf("%s: %v", m.Name, limit)
		}
	}
	if !slices.Contains(quick, "ListVersions") || slices.Contains(quick, "Update") {
		t.Errorf("quick: %q", quick)
	}
	if _, limit := willing.manner(propertiesInterface, "GetAll"); limit != replyLimit {
		t.Errorf("GetAll: %v", limit)
	}
}
