// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/tlsserver"
	"github.com/clipos/updater/updater"
)

// TestReload is an administrator who changes the configuration of a laptop on
// battery power, by signal and by method.
func TestReload(t *testing.T) {
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	bus, systemd := dbustest.Start(t), listen(t)
	root := makeSystem(t, server.URL, server.AuthorityPEM, keys.Public())
	rules, config := filepath.Join(root, "etc/updater/policy.toml"), filepath.Join(root, "usr/lib/updater/config.toml")
	write(t, rules, "require_ac_power = true\n")
	battery := filepath.Join(root, "sys/class/power_supply/BAT0")
	write(t, filepath.Join(battery, "type"), "Battery\n")
	write(t, filepath.Join(battery, "status"), "Discharging\n")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	o := options{paths: updater.NewPaths(root, "", "", ""), bus: bus.Address}
	go func() { served <- serve(ctx, o, slog.New(slog.DiscardHandler)) }()
	systemd.until("READY=1")
	client := dial(t, bus)
	wantBlockers(t, client, policy.BlockerPower)

	hangUp := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		first := systemd.until("RELOADING=1\nMONOTONIC_USEC=")
		then := systemd.until("READY=1")
		if strings.HasSuffix(first[len(first)-1], "=0") || slices.Contains(first, "READY=1") {
			t.Errorf("told %q, then %q", first, then)
		}
	}
	write(t, rules, `mode = "check"`+"\n")
	hangUp()
	wantBlockers(t, client, policy.BlockerMode)
	write(t, rules, "mode = 1\n")
	hangUp()
	wantBlockers(t, client, policy.BlockerMode)
	if err := client.Reload(t.Context()); !errors.Is(err, updater.ErrConfigInvalid) {
		t.Errorf("invalid rules: %v", err)
	}
	write(t, rules, `mode = "install"`+"\n")
	was, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, strings.Replace(string(was), `"clipos"`, `"other"`, 1))
	if err := client.Reload(t.Context()); !errors.Is(err, updater.ErrConfigInvalid) {
		t.Errorf("another os_name: %v", err)
	}
	wantBlockers(t, client, policy.BlockerMode)
	write(t, config, string(was))
	if err := client.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	wantBlockers(t, client)
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// wantBlockers wants exactly these on the bus.
// wantBlockers waits until the boot, which is looked at beside everything else,
// is known to be complete.
func wantBlockers(t *testing.T, client *dbusapi.Client, want ...policy.BlockerCode) {
	t.Helper()
	got := blockers(t, client)
	for slices.Contains(got, policy.BlockerNotConfirmed) {
		time.Sleep(time.Millisecond)
		got = blockers(t, client)
	}
	if !slices.Equal(got, want) {
		t.Errorf("blocked by %q, want %q", got, want)
	}
}

func blockers(t *testing.T, client *dbusapi.Client) []policy.BlockerCode {
	t.Helper()
	view, err := client.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var codes []policy.BlockerCode
	for _, b := range view.Blockers {
		codes = append(codes, b.Code)
	}
	return codes
}
