// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/updater"
)

func plainGate(slots int) *gate { return newGate(slots, slog.New(slog.DiscardHandler)) }

// A handler that heeds its context is answered with what it says, one that does
// not is answered all the same, both in time; the slot of the second stays
// taken.
func TestGateAnswersInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := plainGate(1)
		_, err := serve(t.Context(), g, dbus.Message{}, "", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", updater.ErrNetworkUnavailable
		})
		if err == nil || err.Name != errorPrefix+"NetworkUnavailable" {
			t.Errorf("heeding: %v", err)
		}
		_, err = serve(t.Context(), g, dbus.Message{}, "", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		if err == nil || err.Name != errorPrefix+"TooSlow" || !strings.HasPrefix(err.Error(), "no answer within") {
			t.Errorf("its context's error: %v", err)
		}
		end := make(chan struct{})
		_, err = serve(t.Context(), g, dbus.Message{}, "", func(context.Context) (string, error) { <-end; return "late", nil })
		if err == nil || err.Name != errorPrefix+"TooSlow" {
			t.Errorf("not heeding: %v", err)
		}
		nop := func(context.Context) (string, error) { return "done", nil }
		if _, err := serve(t.Context(), g, dbus.Message{}, "", nop); err == nil || err.Name != standardErrorPrefix+"LimitsExceeded" {
			t.Errorf("with the slot taken: %v", err)
		}
		close(end)
		synctest.Wait()
		if result, err := serve(t.Context(), g, dbus.Message{}, "", nop); err != nil || result != "done" {
			t.Errorf("with the slot free: %q %v", result, err)
		}
	})
}

func TestGateTurnsAPanicIntoAnError(t *testing.T) {
	var log bytes.Buffer
	g := newGate(1, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 { // more than there are slots
		result, err := serve(t.Context(), g, dbus.Message{}, "", func(context.Context) (string, error) { panic("secret") })
		if err == nil || err.Name != errorPrefix+"Internal" || strings.Contains(err.Error(), "secret") || result != "" {
			t.Fatalf("%q %v", result, err)
		}
	}
	if !strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "gate_test.go") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestGateComparesSignatures(t *testing.T) {
	g := plainGate(1)
	_, err := serve(t.Context(), g, dbus.Message{Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(int32(1))),
	}}, "s", func(context.Context) (string, error) { return "", errors.New("was asked") })
	if err == nil || err.Name != standardErrorPrefix+"InvalidArgs" {
		t.Errorf("%v", err)
	}
}

// Somebody is asked for as long as it takes: without a slot, and with the whole
// time left for the handler after that. It is asked once.
func TestGateWaitsForAPerson(t *testing.T) {
	c := caller{uid: 7, name: ":1.7"}
	refusal := standardError("AccessDenied", "no")
	for name, tc := range map[string]struct {
		person  error
		granted action
		want    string
		runs    int
	}{
		"agrees":                      {nil, actionHold, "", 2},
		"refuses":                     {refusal, actionHold, standardErrorPrefix + "AccessDenied", 1},
		"agrees to something else":    {nil, actionReload, standardErrorPrefix + "InteractiveAuthorizationRequired", 2},
		"is called away by an ending": {context.Canceled, actionHold, errorPrefix + "Cancelled", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := plainGate(1)
				runs := 0
				_, err := serve(t.Context(), g, dbus.Message{}, "", func(ctx context.Context) (string, error) {
					runs++
					if end, _ := ctx.Deadline(); time.Until(end) != g.limit {
						t.Errorf("run %d has %v", runs, time.Until(end))
					}
					if isGranted(ctx, c, actionHold) {
						return "done", nil
					}
					return "", &challengeError{caller: c, action: tc.granted, ask: func(context.Context) error {
						if len(g.slots) != 0 {
							t.Error("in a slot")
						}
						time.Sleep(time.Hour)
						return tc.person
					}}
				})
				if runs != tc.runs || (err == nil) != (tc.want == "") || err != nil && err.Name != tc.want {
					t.Errorf("%v after %d runs, want %s after %d", err, runs, tc.want, tc.runs)
				}
			})
		})
	}
}
