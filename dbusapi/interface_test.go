// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"

	"github.com/clipos/updater/updater"
)

// described parses the interface description.
func described(t *testing.T) introspect.Node {
	t.Helper()
	var node introspect.Node
	if err := xml.Unmarshal([]byte(description), &node); err != nil {
		t.Fatal(err)
	}
	return node
}

func describedInterface(t *testing.T, name string) introspect.Interface {
	t.Helper()
	for _, i := range described(t).Interfaces {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("%s is not described", name)
	return introspect.Interface{}
}

// signatureOf joins the types of the arguments with one direction.
func signatureOf(args []introspect.Arg, direction string) string {
	var s strings.Builder
	for _, a := range args {
		if a.Direction == direction {
			s.WriteString(a.Type)
		}
	}
	return s.String()
}

// signatures are the in and out signatures of a function in a method table.
func signatures(t *testing.T, f any) (in, out string) {
	t.Helper()
	ft := reflect.TypeOf(f)
	if last := ft.Out(ft.NumOut() - 1); last != reflect.TypeFor[*dbus.Error]() {
		t.Fatalf("%v: the library ignores a function that does not end with *dbus.Error", ft)
	}
	for i := range ft.NumIn() {
		if p := ft.In(i); p != reflect.TypeFor[dbus.Message]() {
			in += dbus.SignatureOfType(p).String()
		}
	}
	for i := range ft.NumOut() - 1 {
		out += dbus.SignatureOfType(ft.Out(i)).String()
	}
	return in, out
}

func TestMethodsAsDescribed(t *testing.T) {
	l := &link{service: New(Options{}, &fakeController{})}
	for name, table := range map[string]map[string]any{
		Interface:           l.methods(t.Context()),
		propertiesInterface: l.readers(t.Context()),
	} {
		var names []string
		for _, m := range describedInterface(t, name).Methods {
			names = append(names, m.Name)
			f, ok := table[m.Name]
			if !ok {
				t.Errorf("%s.%s is described but not there", name, m.Name)
				continue
			}
			in, out := signatures(t, f)
			if wantIn, wantOut := signatureOf(m.Args, "in"), signatureOf(m.Args, "out"); in != wantIn || out != wantOut {
				t.Errorf("%s.%s: (%s) → (%s), described as (%s) → (%s)", name, m.Name, in, out, wantIn, wantOut)
			}
		}
		for n := range table {
			if !slices.Contains(names, n) {
				t.Errorf("%s.%s is there but not described", name, n)
			}
		}
	}
}

func TestPropertiesAsDescribed(t *testing.T) {
	var got, want [][4]string
	for _, p := range properties {
		emits := "true"
		if p.constant {
			emits = "const"
		}
		got = append(got, [4]string{p.name, dbus.SignatureOf(p.get(Overview{})).String(), "read", emits})
	}
	for _, p := range describedInterface(t, Interface).Properties {
		if len(p.Annotations) != 1 || p.Annotations[0].Name != "org.freedesktop.DBus.Property.EmitsChangedSignal" {
			t.Fatalf("%s: annotations %v", p.Name, p.Annotations)
		}
		want = append(want, [4]string{p.Name, p.Type, p.Access, p.Annotations[0].Value})
	}
	if !slices.Equal(got, want) {
		t.Errorf("table\n%v\ndescription\n%v", got, want)
	}
}

// allEvents has one of each kind.
var allEvents = []updater.Event{
	updater.ProgressEvent{Transaction: "t1", Status: updater.Status{
		Stage: updater.StageFetching, Progress: 0.5, BytesDone: 7, BytesTotal: 9,
	}},
	updater.CompletedEvent{Transaction: "t1", Version: "5.0.0"},
	updater.UpdateAvailableEvent{Check: updater.Check{Available: true, Version: "5.0.0", Running: "4.9.0", DownloadBytes: 3}},
	updater.RebootRequiredEvent{Version: "5.0.0"},
	updater.RolledBackEvent{From: "5.0.0", To: "4.9.0"},
}

func TestSignalsAsDescribed(t *testing.T) {
	got, want := map[string]string{}, map[string]string{}
	for _, e := range allEvents {
		name, args := signal(e)
		got[name] = dbus.SignatureOf(args...).String()
	}
	for _, s := range describedInterface(t, Interface).Signals {
		want[s.Name] = signatureOf(s.Args, "")
	}
	if !maps.Equal(got, want) {
		t.Errorf("code %v, description %v", got, want)
	}
}

// Every event that there is has its signal.
func TestEveryEventHasASignal(t *testing.T) {
	source, err := os.ReadFile("../updater/overview.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared, known []string
	for _, m := range regexp.MustCompile(`(?m)^func \((\w+)\) +event\(\)`).FindAllSubmatch(source, -1) {
		declared = append(declared, string(m[1]))
	}
	for _, e := range allEvents {
		known = append(known, reflect.TypeOf(e).Name())
	}
	if !slices.Equal(declared, known) {
		t.Errorf("declared %q, known %q", declared, known)
	}
}

func TestErrorsAsDescribed(t *testing.T) {
	var got []string
	for _, e := range errorNames {
		if !slices.Contains(got, e.name) && !errors.Is(e.err, ErrNoBus) {
			got = append(got, e.name)
		}
	}
	got = append(got, internalName)
	if want := describedErrors(); !slices.Equal(got, want) {
		t.Errorf("code\n%v\ndescription\n%v", got, want)
	}
}

// describedErrors are the names in the list of the description.
func describedErrors() (names []string) {
	list := regexp.MustCompile(`(?s)Errors, each with the prefix.*?-->`).FindString(description)
	for _, line := range regexp.MustCompile(`(?m)^ +([A-Z][A-Za-z]+): `).FindAllStringSubmatch(list, -1) {
		names = append(names, line[1])
	}
	return names
}

// Each member has a comment right before it, in the description that people
// read with busctl as well.
func TestEachMemberIsDocumented(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(description))
	commented := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.Comment:
			commented = true
		case xml.StartElement:
			switch token.Name.Local {
			case "method", "property", "signal":
				if !commented {
					t.Errorf("no comment before %s %s", token.Name.Local, token.Attr[0].Value)
				}
			}
			commented = false
		}
	}
}

func TestEventsComeBackFromTheirSignals(t *testing.T) {
	for _, e := range allEvents {
		name, args := signal(e)
		back, ok := event(name, args)
		if !ok || back != e {
			t.Errorf("%s: %#v, was %#v", name, back, e)
		}
		if _, ok := event(name, args[1:]); ok {
			t.Errorf("%s: understood without its first argument", name)
		}
	}
	if _, ok := event("Exploded", nil); ok {
		t.Error("an unknown signal was understood")
	}
}

// A client reads from the properties what the service was told.
func TestOverviewComesBackFromTheProperties(t *testing.T) {
	want := Overview{"1.2.3", sampleOverview()}
	var got Overview
	apply(&got, newSnapshot(want).all())
	if !errors.Is(got.LastError, updater.ErrBusy) || errors.Is(got.LastError, updater.ErrNoUpdate) {
		t.Errorf("last error %v", got.LastError)
	}
	got.LastError, want.LastError = nil, nil
	got.LastCheck, got.LastSuccess, got.NextCheck = got.LastCheck.UTC(), got.LastSuccess.UTC(), got.NextCheck.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n%+v, was\n%+v", got, want)
	}
}

func TestNothingToCancelWhenNothingRuns(t *testing.T) {
	o := sampleOverview()
	o.Transaction = ""
	var got Overview
	apply(&got, newSnapshot(Overview{Overview: o}).all())
	if got.Status.Cancelable {
		t.Error("cancelable")
	}
}

func TestPropertiesOfAnotherTypeAreIgnored(t *testing.T) {
	var got Overview
	for _, p := range properties {
		p.set(&got, []byte{1})
	}
	if !reflect.DeepEqual(got, Overview{}) {
		t.Errorf("%+v", got)
	}
}
