// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/updater"
)

func TestErrorName(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"none":             {nil, ""},
		"plain":            {updater.ErrVolumeTooSmall, "VolumeTooSmall"},
		"wrapped":          {fmt.Errorf("volume core_5.0.0: %w", updater.ErrVolumeTooSmall), "VolumeTooSmall"},
		"unknown":          {errors.New("boom"), "Internal"},
		"cancelled":        {fmt.Errorf("fetch: %w", context.Canceled), "Cancelled"},
		"network and time": {fmt.Errorf("%w: %w", updater.ErrNetworkUnavailable, context.DeadlineExceeded), "NetworkUnavailable"},
		"remote":           {&RemoteError{Name: "org.freedesktop.DBus.Error.AccessDenied"}, "AccessDenied"},
		"remote, wrapped":  {fmt.Errorf("call: %w", &RemoteError{Name: errorPrefix + "Busy"}), "Busy"},
		"no bus":           {ErrNoBus, "NoServer"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ErrorName(c.err); got != c.want {
				t.Fatalf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestRemoteErrorsAreTheUpdaters(t *testing.T) {
	for _, e := range errorNames {
		remote := fmt.Errorf("call: %w", &RemoteError{Name: errorPrefix + e.name})
		if !errors.Is(remote, e.err) {
			t.Errorf("%s is not %v", e.name, e.err)
		}
	}
	if errors.Is(&RemoteError{Name: standardErrorPrefix + "Busy"}, updater.ErrBusy) {
		t.Error("somebody else's Busy is taken for ours")
	}
}

func TestToBus(t *testing.T) {
	if got := toBus(nil); got != nil {
		t.Errorf("nil became %v", got)
	}
	got := toBus(fmt.Errorf("volume %s: %w", strings.Repeat("x", 5000), updater.ErrVolumeInUse))
	if got.Name != "org.clipos.Updater1.Error.VolumeInUse" || len(got.Body[0].(string)) != maxTextBytes {
		t.Errorf("%s with %d bytes", got.Name, len(got.Body[0].(string)))
	}
	standard := standardError("InvalidArgs", "unknown option %q", "x")
	if got := toBus(fmt.Errorf("check: %w", standard)); got != standard {
		t.Errorf("%v", got)
	}
}

// The bus disconnects who sends anything else, and the library refuses to.
func TestTextIsFitForTheBus(t *testing.T) {
	for _, s := range []string{"", "plain", "a\x00b", "\xff\xfe", strings.Repeat("é", maxTextBytes), strings.Repeat("\x00", maxTextBytes)} {
		got := text(s)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") || len(got) > 3*maxTextBytes {
			t.Errorf("%q became %q", s, got)
		}
		m := dbus.Message{Type: dbus.TypeError, Body: []any{got}, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldErrorName:   dbus.MakeVariant("a.b"),
			dbus.FieldReplySerial: dbus.MakeVariant(uint32(1)),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(got)),
		}}
		if err := m.IsValid(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	if got := text("5.0.0-beta.3 – ok"); got != "5.0.0-beta.3 – ok" {
		t.Errorf("changed to %q", got)
	}
}

// A hint belongs to a name that can appear.
func TestHintsHaveNames(t *testing.T) {
	known := map[string]bool{internalName: true}
	for _, e := range errorNames {
		known[e.name] = true
	}
	for _, standard := range []string{
		"AccessDenied", "InteractiveAuthorizationRequired", "LimitsExceeded", "ServiceUnknown", "NameHasNoOwner", "NoReply",
	} {
		known[standard] = true
	}
	for name := range hints {
		if !known[name] {
			t.Errorf("nothing is named %s", name)
		}
	}
	if len(Hint("SignatureInvalid")) == 0 || Hint("NoSuchName") != nil {
		t.Error("Hint does not read the table")
	}
	if !strings.Contains(strings.Join(Hint("ContentMismatch"), " "), "content_binding") ||
		!strings.Contains(strings.Join(Hint("SignatureInvalid"), " "), "prehashed_only") {
		t.Error("the switches of the configuration are not named")
	}
}
