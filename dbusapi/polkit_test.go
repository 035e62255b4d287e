// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// question is what a polkit was asked.
type question struct {
	Kind    string
	Subject dict
	action  string
	details map[string]string
	flags   uint32
	id      string
}

// fakePolkit owns polkit's name on a bus and answers as the test says.
type fakePolkit struct {
	conn *dbus.Conn
	// asked has every question, called the cancellation ids.
	asked  chan question
	called chan string
}

// startPolkit starts a fake polkit. Without somebody to ask it answers plain,
// otherwise asked, which may take its time.
func startPolkit(t *testing.T, bus *dbustest.Bus, plain verdict, asked func(question) (verdict, *dbus.Error)) *fakePolkit {
	t.Helper()
	f := &fakePolkit{conn: rawConn(t, bus), asked: make(chan question, 1000), called: make(chan string, 1000)}
	f.serve(t, map[string]any{
		"CheckAuthorization": func(q question, a string, details map[string]string, flags uint32, id string) (verdict, *dbus.Error) {
			q.action, q.details, q.flags, q.id = a, details, flags, id
			f.asked <- q
			if flags == 0 {
				return plain, nil
			}
			return asked(q)
		},
		"CancelCheckAuthorization": func(id string) *dbus.Error { f.called <- id; return nil },
	})
	return f
}

func (f *fakePolkit) serve(t *testing.T, table map[string]any) {
	t.Helper()
	if err := f.conn.ExportMethodTable(table, polkitPath, polkitAuthority); err != nil {
		t.Fatal(err)
	}
	if reply, err := f.conn.RequestName(polkitName, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
}

var (
	yes       = verdict{Authorised: true, Details: map[string]string{}}
	no        = verdict{Details: map[string]string{}}
	challenge = verdict{Challenge: true, Details: map[string]string{}}
)

const interactive = dbus.FlagAllowInteractiveAuthorization

// send calls a method of the service; the library's own calls cannot allow
// interaction.
func send(conn *dbus.Conn, flags dbus.Flags, member string, args ...any) *dbus.Call {
	return conn.Send(&dbus.Message{
		Type:  dbus.TypeMethodCall,
		Flags: flags,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(BusName),
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(Path)),
			dbus.FieldInterface:   dbus.MakeVariant(Interface),
			dbus.FieldMember:      dbus.MakeVariant(member),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(args...)),
		},
		Body: args,
	}, make(chan *dbus.Call, 1))
}

// answerOf is the short error name of a call, "" when it succeeded.
func answerOf(t *testing.T, call *dbus.Call) string {
	t.Helper()
	if err := (<-call.Done).Err; err != nil {
		name := errorNameOf(t, err)
		return name[strings.LastIndexByte(name, '.')+1:]
	}
	return ""
}

// nobodyWaits returns when no call waits for a person any more.
func nobodyWaits(p *polkit) {
	for {
		p.asking.mu.Lock()
		n := p.asking.all
		p.asking.mu.Unlock()
		if n == 0 {
			return
		}
		runtime.Gosched()
	}
}

// polkitOf is the authoriser that a new service has.
func polkitOf(t *testing.T, s *Service) *polkit {
	t.Helper()
	p, ok := s.authoriser.(*polkit)
	if !ok {
		t.Fatalf("a service asks %T", s.authoriser)
	}
	return p
}

// What polkit is asked, and that the controller gets what the caller sent.
func TestPolkitIsAsked(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	c.setOverview(updater.Overview{Transaction: "t7"})
	start(t, bus, c)
	polkit := startPolkit(t, bus, yes, nil)
	user := bus.ConnectAs(t, dbustest.Nobody)
	root := rawConn(t, bus)
	for _, tc := range []struct {
		member string
		args   []any
		action string
		asked  string
	}{
		{"Check", []any{dict{}}, "org.clipos.updater1.check", "check"},
		{"Update", []any{"", dict{}}, "org.clipos.updater1.update", "update "},
		{"Update", []any{"5.0.0", dict{}}, "org.clipos.updater1.update-to-version", "update 5.0.0"},
		{"Cancel", []any{""}, "org.clipos.updater1.cancel", "cancel t7"},
		{"Cancel", []any{"t8"}, "org.clipos.updater1.cancel", "cancel t8"},
	} {
		for _, conn := range []*dbus.Conn{root, user} {
			before := len(c.calls())
			if got := answerOf(t, send(conn, interactive, tc.member, tc.args...)); got != "" {
				t.Fatalf("%s: %s", tc.member, got)
			}
			if asked := c.calls()[before:]; !slices.Equal(asked, []string{tc.asked}) {
				t.Errorf("the controller was asked %q, want %q", asked, tc.asked)
			}
		}
		// The first question is the user's: root needs none.
		q := <-polkit.asked
		if q.Kind != "system-bus-name" || len(q.Subject) != 1 || q.Subject["name"] != dbus.MakeVariant(user.Names()[0]) {
			t.Errorf("%s: subject %s %v", tc.member, q.Kind, q.Subject)
		}
		if q.action != tc.action || len(q.details) != 0 || q.flags != 0 || q.id != "" {
			t.Errorf("%s: %+v", tc.member, q)
		}
	}
	if len(polkit.asked) != 0 {
		t.Errorf("%d questions more", len(polkit.asked))
	}
}

// Whatever is not a clear yes is a no, for everybody but root.
func TestPolkitRefuses(t *testing.T) {
	type subject = question
	answer := func(v verdict, err *dbus.Error) map[string]any {
		return map[string]any{"CheckAuthorization": func(subject, string, map[string]string, uint32, string) (verdict, *dbus.Error) {
			return v, err
		}}
	}
	never := make(chan struct{})
	defer close(never)
	for name, tc := range map[string]struct {
		table map[string]any // nil: there is no polkit
		flags dbus.Flags
		want  string
		say   string
	}{
		"no":                         {answer(no, nil), 0, "AccessDenied", "polkit says no"},
		"no, interactive":            {answer(no, nil), interactive, "AccessDenied", "polkit says no"},
		"challenge":                  {answer(challenge, nil), 0, "InteractiveAuthorizationRequired", "check"},
		"still a challenge":          {answer(challenge, nil), interactive, "AccessDenied", "nobody authorised it"},
		"dismissed":                  {answer(verdict{Challenge: true, Details: map[string]string{"polkit.dismissed": "true"}}, nil), interactive, "AccessDenied", "dismissed"},
		"error":                      {answer(yes, dbus.NewError("org.freedesktop.PolicyKit1.Error.Failed", []any{"x"})), 0, "AccessDenied", "PolicyKit1.Error.Failed"},
		"a polkit that cannot do it": {map[string]any{}, 0, "AccessDenied", "UnknownMethod"},
		"text": {map[string]any{"CheckAuthorization": func(subject, string, map[string]string, uint32, string) (string, *dbus.Error) {
			return "yes", nil
		}}, 0, "AccessDenied", ""},
		"nothing": {map[string]any{"CheckAuthorization": func(subject, string, map[string]string, uint32, string) *dbus.Error {
			return nil
		}}, 0, "AccessDenied", ""},
		"a boolean": {map[string]any{"CheckAuthorization": func(subject, string, map[string]string, uint32, string) (bool, *dbus.Error) {
			return true, nil
		}}, 0, "AccessDenied", ""},
		"half of it": {map[string]any{"CheckAuthorization": func(subject, string, map[string]string, uint32, string) (struct{ A, B bool }, *dbus.Error) {
			return struct{ A, B bool }{true, false}, nil
		}}, 0, "AccessDenied", ""},
		"numbers": {map[string]any{"CheckAuthorization": func(subject, string, map[string]string, uint32, string) (struct {
			A, B uint32
			C    map[string]string
		}, *dbus.Error,
		) {
			return struct {
				A, B uint32
				C    map[string]string
			}{A: 1}, nil
		}}, 0, "AccessDenied", ""},
		"silence": {map[string]any{"CheckAuthorization": func(subject, string, map[string]string, uint32, string) (verdict, *dbus.Error) {
			<-never
			return yes, nil
		}}, 0, "AccessDenied", "deadline"},
		"no polkit":              {nil, 0, "AccessDenied", "there is no polkit"},
		"no polkit, interactive": {nil, interactive, "AccessDenied", "there is no polkit"},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			c := &fakeController{}
			s := newService(t, bus, c)
			if name == "silence" {
				polkitOf(t, s).checkLimit = 50 * time.Millisecond
				s.calls.limit = time.Hour
			}
			run(t, s)
			if tc.table != nil {
				(&fakePolkit{conn: rawConn(t, bus)}).serve(t, tc.table)
			}
			call := <-send(bus.ConnectAs(t, dbustest.Nobody), tc.flags, "Check", dict{}).Done
			if call.Err == nil || errorNameOf(t, call.Err) != standardErrorPrefix+tc.want || !strings.Contains(call.Err.Error(), tc.say) {
				t.Errorf("%v, want %s saying %q", call.Err, tc.want, tc.say)
			}
			if asked := c.calls(); len(asked) != 0 {
				t.Errorf("the controller was asked %q", asked)
			}
			if got := answerOf(t, send(rawConn(t, bus), tc.flags, "Check", dict{})); got != "" {
				t.Errorf("root: %s", got)
			}
		})
	}
}

// Somebody is asked and agrees. What is done is what the message said and what
// ran when it arrived, whatever the caller or anybody else does meanwhile.
func TestPolkitAsksAPerson(t *testing.T) {
	for name, tc := range map[string]struct {
		member string
		args   []any
		want   string
	}{
		"update":                 {"Update", []any{"5.0.0", dict{}}, "update 5.0.0"},
		"update to the newest":   {"Update", []any{"", dict{}}, "update "},
		"cancel":                 {"Cancel", []any{"t1"}, "cancel t1"},
		"cancel the running one": {"Cancel", []any{""}, "cancel t1"},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			c := &fakeController{}
			c.setOverview(updater.Overview{Transaction: "t1"})
			start(t, bus, c)
			agree := make(chan struct{})
			polkit := startPolkit(t, bus, challenge, func(question) (verdict, *dbus.Error) { <-agree; return yes, nil })
			user := bus.ConnectAs(t, dbustest.Nobody)
			call := send(user, interactive, tc.member, tc.args...)
			plain, asking := <-polkit.asked, <-polkit.asked
			if plain.flags != 0 || plain.id != "" || asking.flags != allowUserInteraction || asking.id == "" {
				t.Errorf("asked %+v and %+v", plain, asking)
			}
			// The same user changes its mind, and the state changes.
			if got := answerOf(t, send(user, 0, "Update", "6.6.6", dict{})); got != "InteractiveAuthorizationRequired" {
				t.Errorf("another call: %s", got)
			}
			c.setOverview(updater.Overview{Transaction: "t2"})
			if asked := c.calls(); len(asked) != 0 {
				t.Errorf("the controller was asked %q before anybody agreed", asked)
			}
			close(agree)
			if got := answerOf(t, call); got != "" {
				t.Errorf("%s", got)
			}
			if asked := c.calls(); !slices.Equal(asked, []string{tc.want}) {
				t.Errorf("the controller was asked %q, want %q", asked, tc.want)
			}
			if len(polkit.called) != 0 {
				t.Error("called off")
			}
		})
	}
}

// While somebody is asked whether nothing may be cancelled, something begins:
// nobody has asked for its end.
func TestCancelOfNothing(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	start(t, bus, c)
	startPolkit(t, bus, challenge, func(question) (verdict, *dbus.Error) {
		c.setOverview(updater.Overview{Transaction: "t2"})
		return yes, nil
	})
	if got := answerOf(t, send(bus.ConnectAs(t, dbustest.Nobody), interactive, "Cancel", "")); got != "NoTransaction" {
		t.Errorf("%q", got)
	}
	if asked := c.calls(); len(asked) != 0 {
		t.Errorf("the controller was asked %q", asked)
	}
}

// The caller leaves while somebody is asked: the question is taken back, and an
// answer does not count.
func TestCallerLeavesWhileAsking(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	s := start(t, bus, c)
	agree := make(chan struct{})
	polkit := startPolkit(t, bus, challenge, func(question) (verdict, *dbus.Error) { <-agree; return yes, nil })
	user, other := bus.ConnectAs(t, dbustest.Nobody), bus.ConnectAs(t, dbustest.Nobody)
	send(user, interactive, "Update", "5.0.0", dict{})
	<-polkit.asked
	q := <-polkit.asked
	send(other, interactive, "Update", "5.1.0", dict{})
	<-polkit.asked
	<-polkit.asked
	user.Close()
	if id := <-polkit.called; id != q.id {
		t.Errorf("called off %q, asked %q", id, q.id)
	}
	close(agree)
	nobodyWaits(polkitOf(t, s))
	if len(polkit.called) != 0 {
		t.Error("the question of another was called off too")
	}
	for len(c.calls()) == 0 { // the other one; the test's time limit ends this
		runtime.Gosched()
	}
	if asked := c.calls(); !slices.Equal(asked, []string{"update 5.1.0"}) {
		t.Errorf("the controller was asked %q", asked)
	}
}

// A caller that left after the answer but before its use is unknown to the bus.
func TestCallerLeavesWithTheAnswer(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	s := newService(t, bus, c)
	user := bus.ConnectAs(t, dbustest.Nobody)
	refused := make(chan error, 1)
	s.authoriser = leaving{user, refused}
	run(t, s)
	send(user, interactive, "Update", "5.0.0", dict{})
	<-refused
	// Its slot is free again when the second run has ended.
	for len(s.calls.slots) != 0 {
		runtime.Gosched()
	}
	if asked := c.calls(); len(asked) != 0 {
		t.Errorf("the controller was asked %q", asked)
	}
}

// leaving grants everything, when the caller has left.
type leaving struct {
	user *dbus.Conn
	done chan error
}

func (l leaving) authorise(ctx context.Context, c caller, a action, _ bool) error {
	if isGranted(ctx, c, a) {
		return nil
	}
	return &challengeError{caller: c, action: a, ask: func(ctx context.Context) error {
		gone := make(chan struct{})
		forget, err := c.bus.onLeaving(ctx, c.name, func() { close(gone) })
		if err != nil {
			return err
		}
		l.user.Close()
		<-gone
		forget()
		defer func() { l.done <- nil }()
		return nil
	}}
}

// Nobody answers in time: the question is taken back.
func TestPersonTakesTooLong(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	s := newService(t, bus, c)
	polkitOf(t, s).askLimit = 50 * time.Millisecond
	run(t, s)
	agree := make(chan struct{})
	polkit := startPolkit(t, bus, challenge, func(question) (verdict, *dbus.Error) { <-agree; return yes, nil })
	call := send(bus.ConnectAs(t, dbustest.Nobody), interactive, "Check", dict{})
	<-polkit.asked
	if id, q := <-polkit.called, <-polkit.asked; id != q.id {
		t.Errorf("called off %q, asked %q", id, q.id)
	}
	if got := answerOf(t, call); got != "AccessDenied" {
		t.Errorf("%q", got)
	}
	close(agree)
	if asked := c.calls(); len(asked) != 0 {
		t.Errorf("the controller was asked %q", asked)
	}
}

// Many calls wait for a person, more than there are slots for calls. Each user
// has a few; and neither root nor who is allowed anyway notices.
func TestWaitingBlocksNobody(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	s := start(t, bus, c)
	agree := make(chan struct{})
	allowed := make(chan string, 1)
	p := &fakePolkit{conn: rawConn(t, bus), asked: make(chan question, 1000)}
	p.serve(t, map[string]any{
		"CheckAuthorization": func(q question, _ string, _ map[string]string, flags uint32, _ string) (verdict, *dbus.Error) {
			name := <-allowed
			allowed <- name
			switch {
			case q.Subject["name"] == dbus.MakeVariant(name):
				return yes, nil
			case flags == 0:
				return challenge, nil
			}
			p.asked <- q
			<-agree
			return no, nil
		},
	})
	friend := bus.ConnectAs(t, dbustest.Nobody)
	allowed <- friend.Names()[0]
	var waiting []*dbus.Call
	// Users from 1 on are in every system (Debian Policy, 9.2.2), and the bus
	// takes only users it finds.
	const users = askSlots / askSlotsEach
	for user := uint32(1); user <= users; user++ {
		conn := bus.ConnectAs(t, user)
		for range askSlotsEach {
			waiting = append(waiting, send(conn, interactive, "Check", dict{}))
			<-p.asked
		}
		if got := answerOf(t, send(conn, interactive, "Check", dict{})); got != "LimitsExceeded" {
			t.Errorf("one more of user %d: %q", user, got)
		}
	}
	if len(waiting) <= callSlots {
		t.Fatalf("only %d wait", len(waiting))
	}
	if got := answerOf(t, send(bus.ConnectAs(t, users+1), interactive, "Check", dict{})); got != "LimitsExceeded" {
		t.Errorf("one more in all: %q", got)
	}
	root := rawConn(t, bus)
	for name, conn := range map[string]*dbus.Conn{"root": root, "who is allowed": friend} {
		for _, member := range []string{"Check", "Update"} {
			args := map[string][]any{"Check": {dict{}}, "Update": {"", dict{}}}[member]
			if got := answerOf(t, send(conn, interactive, member, args...)); got != "" {
				t.Errorf("%s of %s: %s", member, name, got)
			}
		}
	}
	close(agree)
	for _, call := range waiting {
		if got := answerOf(t, call); got != "AccessDenied" {
			t.Errorf("%q", got)
		}
	}
	nobodyWaits(polkitOf(t, s))
}

// A right is good for one caller on one connection, and for one action.
func TestGrantIsOfOneRight(t *testing.T) {
	bus, other := &connection{}, &connection{}
	asked := caller{uid: 7, name: ":1.7", bus: bus}
	agreed := (&challengeError{caller: asked, action: actionHold}).grant(t.Context())
	if isGranted(t.Context(), asked, actionHold) {
		t.Error("nobody was asked")
	}
	for name, tc := range map[string]struct {
		caller caller
		action action
		want   bool
	}{
		"the same":       {asked, actionHold, true},
		"another action": {asked, actionReload, false},
		"another user":   {caller{8, ":1.7", bus}, actionHold, false},
		"another caller": {caller{7, ":1.8", bus}, actionHold, false},
		"on another bus": {caller{7, ":1.7", other}, actionHold, false},
	} {
		if got := isGranted(agreed, tc.caller, tc.action); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWaitingRoom(t *testing.T) {
	r := newWaitingRoom(3, 2)
	for i, step := range []struct {
		uid   uint32
		enter bool
		want  bool
	}{
		{1, true, true},
		{1, true, true},
		{1, true, false},
		{2, true, true},
		{2, true, false},
		{3, true, false},
		{1, false, false},
		{3, true, true},
		{1, true, false},
	} {
		if !step.enter {
			r.leave(step.uid)
		} else if got := r.enter(step.uid); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	for _, uid := range []uint32{1, 2, 3} {
		r.leave(uid)
	}
	if r.all != 0 || len(r.waiting) != 0 {
		t.Errorf("left over: %d %v", r.all, r.waiting)
	}
}

// Only the bus can say that somebody has left.
func TestWhoSaysThatACallerLeft(t *testing.T) {
	left := 0
	w := newNameWatch()
	d := &departure{":1.7", func() { left++ }}
	w.add(d)
	tell := func(sender string, body ...any) {
		w.DeliverSignal(busInterface, "NameOwnerChanged", &dbus.Signal{Sender: sender, Body: body})
	}
	tell(":1.8", ":1.7", ":1.7", "")
	tell(busInterface, ":1.8", ":1.8", "")
	tell(busInterface, ":1.7", "", ":1.7")
	tell(busInterface, ":1.7", ":1.7")
	tell(busInterface, 7, 7, "")
	if left != 0 {
		t.Fatalf("%d times", left)
	}
	tell(busInterface, ":1.7", ":1.7", "")
	w.remove(d)
	tell(busInterface, ":1.7", ":1.7", "")
	if left != 1 {
		t.Fatalf("%d times", left)
	}
}

func TestCallerLeftBefore(t *testing.T) {
	bus := dbustest.Start(t)
	s := newService(t, bus, &fakeController{})
	s.publishFirst()
	l, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.bus.close()
	if _, err := l.bus.onLeaving(t.Context(), ":1.99", func() {}); err == nil {
		t.Error("watched")
	}
	err = newPolkit().ask(t.Context(), caller{7, ":1.99", l.bus}, actionCheck)
	var refusal *dbus.Error
	if !errors.As(err, &refusal) || refusal.Name != standardErrorPrefix+"AccessDenied" {
		t.Errorf("%v", err)
	}
	if n := len(l.bus.names.leaving); n != 0 {
		t.Errorf("%d are still watched", n)
	}
}
