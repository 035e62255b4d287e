// SPDX-License-Identifier: LGPL-2.1-or-later

package publish_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/publish"
	"github.com/clipos/updater/cmd/updater-release/internal/releasetest"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
)

var errPowerCut = errors.New("power cut")

// operations are what changes a web root that has 1.0.0, 1.1.0 and 1.2.0, each
// with a patch from the one before, and offers 1.1.0; prune, one that offers
// 1.2.0.
var operations = map[string]func(*testing.T, *publish.Publisher) error{
	"add": func(t *testing.T, p *publish.Publisher) error {
		a := payloads.Add(t, "2.0.0")
		a.Patches = 0 // made where nothing is changed
		_, err := p.Add(t.Context(), a)
		if errors.Is(err, webroot.ErrPublished) {
			return nil // only the end was cut
		}
		return err
	},
	"promote": func(t *testing.T, p *publish.Publisher) error {
		_, err := p.Promote(t.Context(), publish.Promotion{Version: releasetest.Version(t, "1.2.0"), Channel: "stable", Percent: 100})
		return err
	},
	"promote to some": func(t *testing.T, p *publish.Publisher) error {
		_, err := p.Promote(t.Context(), publish.Promotion{Version: releasetest.Version(t, "1.2.0"), Channel: "stable", Percent: 10})
		return err
	},
	"prune": func(_ *testing.T, p *publish.Publisher) error {
		_, err := p.Prune(1, false)
		return err
	},
}

// The power is cut before every change to the disk, one after the other. What a
// server hands out then is right all the same, and the next run finishes.
func TestPowerCut(t *testing.T) {
	dir := t.TempDir()
	p := releasetest.Publisher(t, dir, new(bytes.Buffer))
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		a := payloads.Add(t, v)
		a.Patches = 1
		if _, err := p.Add(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	mustPromote(t, p, "1.1.0", "stable", 100)
	for name, operation := range operations {
		t.Run(name, func(t *testing.T) {
			dir := dir
			if name == "prune" {
				copied := t.TempDir()
				releasetest.Copy(t, dir, copied)
				dir = copied
				mustPromote(t, releasetest.Publisher(t, dir, new(bytes.Buffer)), "1.2.0", "stable", 100)
			}
			cuts := 0
			for ; cutBefore(t, dir, cuts, operation); cuts++ {
			}
			if cuts < 4 {
				t.Errorf("only %d changes", cuts)
			}
		})
	}
}

// cutBefore cuts the power before the change with this number and tells whether
// there was such a change.
func cutBefore(t *testing.T, site string, number int, operation func(*testing.T, *publish.Publisher) error) bool {
	t.Helper()
	dir := t.TempDir()
	releasetest.Copy(t, site, dir)
	p := releasetest.Publisher(t, dir, new(bytes.Buffer))
	left, where := number, ""
	p.Root.Interrupt(func(what, path string) error {
		if left == 0 {
			where = strings.TrimSpace(where + " " + what + " " + strings.TrimPrefix(path, dir))
			return errPowerCut
		}
		left--
		return nil
	})
	err := operation(t, p)
	cut := left == 0 && where != ""
	if cut != errors.Is(err, errPowerCut) {
		t.Fatalf("change %d: %v", number, err)
	}
	if err == nil {
		return false
	}
	p = releasetest.Publisher(t, dir, new(bytes.Buffer))
	valid(t, p, where)
	if err := operation(t, p); err != nil {
		t.Errorf("again, after a cut before %q: %v", where, err)
	}
	file, err := channels.Load(p.ChannelsFile)
	if err != nil {
		t.Fatal(err)
	}
	if found := findings(t, p, file); len(found) > 0 {
		t.Errorf("again, after a cut before %q: %q", where, found)
	}
	if names := tree(t, dir); slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "/.") || strings.HasSuffix(n, ".new") }) {
		t.Errorf("again, after a cut before %q: %q is left", where, names)
	}
	return true
}

// valid demands that what a server without rules hands out is right, and that
// only what is being made may be left.
func valid(t *testing.T, p *publish.Publisher, where string) {
	t.Helper()
	found := findings(t, p, nil)
	found = slices.DeleteFunc(found, func(f string) bool {
		// A client that finds no signature asks for no patch.
		return strings.HasPrefix(f, webroot.Staging+": left behind") || strings.HasSuffix(f, ".patch.sig: missing")
	})
	if len(found) > 0 {
		t.Errorf("cut before %q: %q", where, found)
	}
	if v := document(t, p); v != "1.1.0" && v != "1.2.0" {
		t.Errorf("cut before %q: the document offers %q", where, v)
	}
	if _, err := channels.Load(p.ChannelsFile); err != nil {
		t.Errorf("cut before %q: %v", where, err)
	}
	for _, name := range tree(t, p.Root.Dir) {
		if strings.Contains(name, "/.") && !strings.Contains(name, " "+webroot.Staging) {
			t.Errorf("cut before %q: %s", where, name)
		}
	}
}

// What appears in the web root is on disk before, and stays there after.
func TestFlushed(t *testing.T) {
	_, p := site(t, "1.0.0", "1.1.0")
	var changes []string
	p.Root.Interrupt(func(what, path string) error {
		name, err := filepath.Rel(p.Root.Dir, path)
		if err != nil {
			return err
		}
		changes = append(changes, what+" "+name)
		return nil
	})
	if _, err := p.Add(t.Context(), payloads.Add(t, "1.2.0")); err != nil {
		t.Fatal(err)
	}
	mustPromote(t, p, "1.2.0", "stable", 100)
	appears := slices.Index(changes, "rename dist/1.2.0")
	offered := slices.Index(changes, "rename update/v1/clipos/version")
	if appears < 0 || offered < appears {
		t.Fatalf("%q", changes)
	}
	before := []string{"flush " + webroot.Staging + "/1.2.0"}
	for _, line := range tree(t, p.Root.Release(releasetest.Version(t, "1.2.0"))) {
		_, name, _ := strings.Cut(line, " ")
		before = append(before, "flush "+webroot.Staging+"/1.2.0/"+name)
	}
	if len(before) != 11 { // two payloads, compressed image, two patches; the signature of each; the folder
		t.Errorf("%q", before)
	}
	for _, change := range before {
		if i := slices.Index(changes, change); i < 0 || i > appears {
			t.Errorf("%q is not before the release appears: %q", change, changes)
		}
	}
	if changes[appears+1] != "flush folder dist" || changes[offered+1] != "flush folder update/v1/clipos" || changes[offered-1] != "flush "+webroot.Staging+"/version" {
		t.Errorf("%q", changes)
	}
	if channelsFile := slices.Index(changes, "rename ../channels.toml"); channelsFile < appears || channelsFile > offered {
		t.Errorf("%q", changes)
	}
}
