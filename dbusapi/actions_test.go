// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// recorder lets everybody do everything and remembers what it was asked.
type recorder struct {
	mu    sync.Mutex
	asked []action
	// then is done while somebody is asked.
	then func()
}

func (r *recorder) authorise(_ context.Context, _ caller, a action, _ bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, a)
	if r.then != nil {
		r.then()
	}
	return nil
}

// drain is what was asked since the last time.
func (r *recorder) drain() []action {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// calls is every method, as often as what it needs depends on its arguments.
// The server offers 5.0.0.
var calls = []struct {
	method string
	call   func(context.Context, *Client) error
	needs  []action
}{
	{"Check", func(ctx context.Context, c *Client) error { _, err := c.Check(ctx); return err }, []action{actionCheck}},
	{"Update", updateTo(""), []action{actionUpdate}},
	{"Update", updateTo("5.0.0"), []action{actionUpdate}},
	{"Update", updateTo("4.9.9"), []action{actionUpdateToVersion}},
	{"Update", updateTo("5.0.0 "), []action{actionUpdateToVersion}},
	{"Cancel", func(ctx context.Context, c *Client) error { return c.Cancel(ctx, "t0") }, []action{actionCancel}},
	{"Plan", func(ctx context.Context, c *Client) error { _, err := c.Plan(ctx, ""); return err }, nil},
	{"ListVersions", func(ctx context.Context, c *Client) error { _, err := c.ListVersions(ctx); return err }, nil},
	{"Rollback", func(ctx context.Context, c *Client) error { _, err := c.Rollback(ctx, ""); return err }, []action{actionRollback}},
	{"MarkBoot", func(ctx context.Context, c *Client) error { return c.MarkBoot(ctx, "good", "") }, []action{actionMarkBoot}},
	{"Hold", func(ctx context.Context, c *Client) error { return c.Hold(ctx, "audit", time.Time{}) }, []action{actionHold}},
	{"Unhold", func(ctx context.Context, c *Client) error { return c.Unhold(ctx) }, []action{actionHold}},
	{"GetHistory", func(ctx context.Context, c *Client) error { _, err := c.History(ctx, 0); return err }, nil},
	{"ForgetFailure", func(ctx context.Context, c *Client) error { return c.ForgetFailure(ctx, "5.0.0") }, []action{actionUpdateToVersion}},
	{"Reload", func(ctx context.Context, c *Client) error { return c.Reload(ctx) }, []action{actionReload}},
}

func updateTo(version string) func(context.Context, *Client) error {
	return func(ctx context.Context, c *Client) error { _, err := c.Update(ctx, version); return err }
}

// offering is a controller whose server offers 5.0.0.
func offering() *fakeController {
	return &fakeController{overview: updater.Overview{AvailableVersion: "5.0.0"}}
}

// Each method asks for the action that is its own, and that its description
// names.
func TestActions(t *testing.T) {
	bus := dbustest.Start(t)
	asked := &recorder{}
	s := newService(t, bus, offering())
	s.authoriser = asked
	run(t, s)
	client := newClient(t, bus)

	seen := map[string][]action{}
	for _, c := range calls {
		if err := c.call(t.Context(), client); err != nil {
			t.Fatalf("%s: %v", c.method, err)
		}
		got := asked.drain()
		if !slices.Equal(got, c.needs) {
			t.Errorf("%s needs %q, want %q", c.method, got, c.needs)
		}
		seen[c.method] = append(seen[c.method], got...)
	}

	described := describedActions(t)
	var all []action
	for _, m := range describedInterface(t, Interface).Methods {
		got, called := seen[m.Name]
		if want := described[m.Name]; !called || !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("%s needs %q, described as %q", m.Name, got, want)
		}
		all = append(all, got...)
	}
	if all = sorted(all); !slices.Equal(all, sorted(actions)) {
		t.Errorf("the methods need %q, the table has %q", all, actions)
	}
}

// sorted is list in order and without repetitions.
func sorted(list []action) []action {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// describedActions are the polkit actions in the comment of each method.
func describedActions(t *testing.T) map[string][]action {
	t.Helper()
	named := map[string][]action{}
	comment := ""
	for d := xml.NewDecoder(strings.NewReader(description)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return named
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.Comment:
			comment = string(token)
		case xml.StartElement:
			if token.Name.Local == "method" {
				method := token.Attr[0].Value
				for _, a := range regexp.MustCompile(`org\.clipos\.updater1\.([a-z-]+)`).FindAllStringSubmatch(comment, -1) {
					named[method] = append(named[method], action(a[1]))
				}
			}
			comment = ""
		}
	}
}

// Who is refused reaches nothing, whichever action it is.
func TestRefusedCallsReachNothing(t *testing.T) {
	for _, denied := range actions {
		t.Run(string(denied), func(t *testing.T) {
			bus := dbustest.Start(t)
			controller := offering()
			s := newService(t, bus, controller)
			s.authoriser = everybody{denied: denied}
			run(t, s)
			client := newClient(t, bus)
			refused := 0
			for _, c := range calls {
				if !slices.Contains(c.needs, denied) {
					continue
				}
				refused++
				if err := c.call(t.Context(), client); ErrorName(err) != "AccessDenied" {
					t.Errorf("%s: %v", c.method, err)
				}
			}
			if asked := controller.calls(); refused == 0 || len(asked) != 0 {
				t.Errorf("refused %d, the controller was asked: %q", refused, asked)
			}
		})
	}
}

// What the server offers changes while somebody is asked: what was authorised
// is what is done.
func TestWhatWasAuthorisedIsDone(t *testing.T) {
	bus := dbustest.Start(t)
	controller := offering()
	asked := &recorder{then: func() { controller.setOverview(updater.Overview{AvailableVersion: "6.0.0"}) }}
	s := newService(t, bus, controller)
	s.authoriser = asked
	run(t, s)
	client := newClient(t, bus)
	for _, want := range []action{actionUpdate, actionUpdateToVersion} {
		if _, err := client.Update(t.Context(), "5.0.0"); err != nil {
			t.Fatal(err)
		}
		if got := asked.drain(); !slices.Equal(got, []action{want}) {
			t.Errorf("asked for %q, want %q", got, want)
		}
	}
	if got := controller.calls(); !slices.Equal(got, []string{"update 5.0.0", "update 5.0.0"}) {
		t.Errorf("did %q", got)
	}
}

// Joining a job that runs does not make it one's own, even when it is nobody's.
func TestJoinedJobIsNotOnesOwn(t *testing.T) {
	bus := dbustest.Start(t)
	controller := &fakeController{overview: updater.Overview{Transaction: "t1"}}
	s := newService(t, bus, controller)
	s.authoriser = everybody{denied: actionCancel}
	run(t, s)
	client := newClient(t, bus)
	if transaction, err := client.Update(t.Context(), ""); err != nil || transaction != "t1" {
		t.Fatalf("%q %v", transaction, err)
	}
	if err := client.Cancel(t.Context(), "t1"); ErrorName(err) != "AccessDenied" {
		t.Errorf("%v", err)
	}
}
