// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
)

// The values are those of NMMetered.
func TestMetered(t *testing.T) {
	const networkManager = "org.freedesktop.NetworkManager"
	refusal := dbus.NewError(standardErrorPrefix+"AccessDenied", []any{"not you"})
	for name, tc := range map[string]struct {
		value  any
		answer *dbus.Error
		want   bool
		say    string
	}{
		"unknown":     {uint32(0), nil, false, ""},
		"yes":         {uint32(1), nil, true, ""},
		"no":          {uint32(2), nil, false, ""},
		"guessed yes": {uint32(3), nil, true, ""},
		"guessed no":  {uint32(4), nil, false, ""},
		"not defined": {uint32(5), nil, false, `metered connection: NetworkManager says "5"`},
		"text":        {"yes", nil, false, `metered connection: NetworkManager says "yes"`},
		"signed":      {int32(1), nil, false, `metered connection: NetworkManager says "1"`},
		"refused":     {uint32(1), refusal, false, "metered connection: not you"},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			own(t, rawConn(t, bus), networkManager, "/org/freedesktop/NetworkManager", propertiesInterface, map[string]any{
				"Get": func(iface, property string) (dbus.Variant, *dbus.Error) {
					if iface != networkManager || property != "Metered" {
						t.Errorf("asked for %s of %s", property, iface)
					}
					return dbus.MakeVariant(tc.value), tc.answer
				},
			})
			got, err := Metered(t.Context(), bus.Address)
			if got != tc.want || (err == nil) != (tc.say == "") || err != nil && !strings.Contains(err.Error(), tc.say) {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	bus := dbustest.StartWith(t, dbustest.Open+activatable(t, networkManager))
	if got, err := Metered(t.Context(), bus.Address); got || err != nil {
		t.Errorf("without NetworkManager: %v %v", got, err)
	}
	bus.Stop()
	if got, err := Metered(t.Context(), bus.Address); got || !errors.Is(err, ErrNoBus) {
		t.Errorf("without a bus: %v %v", got, err)
	}
}
