// SPDX-License-Identifier: LGPL-2.1-or-later

package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/cmd/updater-release/internal/audit"
	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/publish"
	"github.com/clipos/updater/cmd/updater-release/internal/releasetest"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/updater"
)

var payloads releasetest.Payloads

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "publish-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if payloads, err = releasetest.Build(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// site is a folder with a web root and a channels file.
func site(t *testing.T, versions ...string) (dir string, p *publish.Publisher) {
	t.Helper()
	dir = t.TempDir()
	p = releasetest.Publisher(t, dir, new(bytes.Buffer))
	for _, v := range versions {
		if _, err := p.Add(t.Context(), payloads.Add(t, v)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, p
}

func mustPromote(t *testing.T, p *publish.Publisher, v, channel string, percent int) {
	t.Helper()
	_, err := p.Promote(t.Context(), publish.Promotion{Version: releasetest.Version(t, v), Channel: channel, Percent: percent, AllowOlder: true})
	if err != nil {
		t.Fatal(err)
	}
}

// findings are what an audit of the web root finds.
func findings(t *testing.T, p *publish.Publisher, c *channels.File) []string {
	t.Helper()
	a := audit.Auditor{Root: p.Root, Judge: p.Judge, Workers: 2}
	found, err := a.All(t.Context(), c, "channels.toml")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, f := range found {
		texts = append(texts, f.String())
	}
	return texts
}

// tree lists modes and names below a folder.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, fmt.Sprintf("%v %s", info.Mode(), strings.TrimPrefix(path, dir+"/")))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func document(t *testing.T, p *publish.Publisher) string {
	t.Helper()
	text, err := os.ReadFile(p.Root.Document())
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	v, err := updater.ParseVersionDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	return v.String()
}

// Everything is there, as any server can hand it out, and nothing else.
func TestAdd(t *testing.T) {
	dir, p := site(t, "1.0.0", "1.1.0", "1.2.0", "2.0.0")
	if found := findings(t, p, nil); len(found) > 0 {
		t.Error(found)
	}
	var want []string
	for v, from := range map[string][]string{
		"1.0.0": nil, "1.1.0": {"1.0.0"}, "1.2.0": {"1.1.0", "1.0.0"}, "2.0.0": {"1.2.0", "1.1.0"},
	} {
		want = append(want, "drwxr-xr-x webroot/dist/"+v)
		names := []string{"clipos-core", "clipos-efiboot", "clipos-core.zst"}
		for _, f := range from {
			names = append(names, "clipos-core.from-"+f+".patch")
		}
		for _, n := range names {
			want = append(want, "-rw-r--r-- webroot/dist/"+v+"/"+n, "-rw-r--r-- webroot/dist/"+v+"/"+n+".sig")
		}
	}
	want = append(want, "drwxr-xr-x webroot", "drwxr-xr-x webroot/dist")
	slices.Sort(want)
	got := tree(t, dir)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	info, err := os.Stat(filepath.Join(p.Root.Release(releasetest.Version(t, "1.1.0")), "clipos-core.from-1.0.0.patch"))
	if err != nil || info.Size() > 60<<10 {
		t.Errorf("a patch for one file of 16 KiB has %d bytes, %v", info.Size(), err)
	}
}

// The umask of whoever publishes says nothing about who may fetch a release. No
// test of this package runs beside another one, as the umask is the process's.
func TestAddUmask(t *testing.T) {
	for _, mask := range []int{0o027, 0o077} {
		t.Run(fmt.Sprintf("%03o", mask), func(t *testing.T) {
			before := unix.Umask(mask)
			defer unix.Umask(before)
			dir, p := site(t, "1.0.0", "1.1.0")
			mustPromote(t, p, "1.1.0", "stable", 100)
			if found := findings(t, p, nil); len(found) > 0 {
				t.Error(found)
			}
			for _, line := range tree(t, filepath.Join(dir, "webroot")) {
				if !strings.HasPrefix(line, "drwxr-xr-x ") && !strings.HasPrefix(line, "-rw-r--r-- ") {
					t.Error(line)
				}
			}
		})
	}
}

func TestAddRefused(t *testing.T) {
	dir, p := site(t, "1.1.0")
	before := tree(t, dir)
	other := filepath.Join(dir, "..", "other")
	for name, c := range map[string]struct {
		change func(*publish.Addition)
		want   error
	}{
		"published already": {func(*publish.Addition) {}, webroot.ErrPublished},
		"core of another release": {func(a *publish.Addition) {
			a.Version, a.Efiboot = releasetest.Version(t, "1.2.0"), payloads.Efiboot("1.2.0")
		}, updater.ErrContentMismatch},
		"payloads of another version": {func(a *publish.Addition) { a.Version = releasetest.Version(t, "1.2.1") }, updater.ErrContentMismatch},
		"payloads exchanged": {func(a *publish.Addition) {
			a.Version, a.Core, a.Efiboot = releasetest.Version(t, "1.2.0"), payloads.Efiboot("1.2.0"), payloads.Core("1.2.0")
		}, updater.ErrContentMismatch},
		"no core":  {func(a *publish.Addition) { a.Version, a.Core = releasetest.Version(t, "1.2.0"), other }, fs.ErrNotExist},
		"a folder": {func(a *publish.Addition) { a.Version, a.Core = releasetest.Version(t, "1.2.0"), dir }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := payloads.Add(t, "1.1.0")
			c.change(&a)
			_, err := p.Add(t.Context(), a)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if after := tree(t, dir); !slices.Equal(after, before) {
				t.Errorf("%q, was %q", after, before)
			}
		})
	}
}

// A release that is not as it should be does not keep the next one out. There
// is no patch from it: its image is not what machines have.
func TestAddAfterBadRelease(t *testing.T) {
	dir, _ := site(t, "1.0.0", "1.1.0")
	for name, c := range map[string]struct {
		change  func(t *testing.T, release string) // 1.1.0
		warning string
		patches string
	}{
		"damaged core": {
			func(t *testing.T, release string) { damage(t, filepath.Join(release, "clipos-core")) },
			"no patch from 1.1.0: dist/1.1.0/clipos-core: ", "[1.0.0]",
		},
		"of another key": {
			func(t *testing.T, release string) {
				sig := filepath.Join(release, "clipos-core.sig")
				text := read(t, sig)
				id := strings.Index(text, "\nRU") + len("\nRU") + 1 // base64 of the key's, behind the algorithm
				write(t, sig, text[:id]+"AAAA"+text[id+4:])
			},
			"no patch from 1.1.0: dist/1.1.0/clipos-core.sig: signature invalid: made with key ", "[1.0.0]",
		},
		"no core": {
			func(t *testing.T, release string) { remove(t, filepath.Join(release, "clipos-core")) },
			"no patch from 1.1.0: dist/1.1.0/clipos-core: ", "[1.0.0]",
		},
		"no efiboot": {
			func(t *testing.T, release string) { remove(t, filepath.Join(release, "clipos-efiboot")) },
			"whether systemd-boot lists 1.1.0 before 1.2.0 is not known: ", "[1.1.0 1.0.0]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			releasetest.Copy(t, dir, copied)
			var warnings bytes.Buffer
			p := releasetest.Publisher(t, copied, &warnings)
			c.change(t, p.Root.Release(releasetest.Version(t, "1.1.0")))
			if _, err := p.Add(t.Context(), payloads.Add(t, "1.2.0")); err != nil {
				t.Fatal(err)
			}
			if got := warnings.String(); !strings.HasPrefix(got, c.warning) || strings.Count(got, "\n") != 1 {
				t.Errorf("%q, want one line that begins %q", got, c.warning)
			}
			from, err := p.Root.PatchesTo(releasetest.Version(t, "1.2.0"))
			if got := fmt.Sprint(from); err != nil || got != c.patches {
				t.Errorf("patches from %s, %v, want %s", got, err, c.patches)
			}
		})
	}
}

// Who refuses by the order has to know it.
func TestAddOrderUnknown(t *testing.T) {
	_, p := site(t, "1.0.0")
	remove(t, filepath.Join(p.Root.Release(releasetest.Version(t, "1.0.0")), "clipos-efiboot"))
	a := payloads.Add(t, "1.1.0")
	a.RefuseBootOrder = true
	if _, err := p.Add(t.Context(), a); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// systemd-boot has another order than semantic versions.
func TestAddOrder(t *testing.T) {
	for name, c := range map[string]struct {
		there, added, warning string
		refuse                bool
		want                  error
	}{
		"newer":           {there: "1.0.0", added: "1.1.0"},
		"older":           {there: "1.1.0", added: "1.0.0", warning: "1.0.0 is older than 1.1.0, which is there: machines that ran that one refuse it\n"},
		"newer, refusing": {there: "1.0.0", added: "1.1.0", refuse: true},
	} {
		t.Run(name, func(t *testing.T) {
			var warnings bytes.Buffer
			p := releasetest.Publisher(t, t.TempDir(), &warnings)
			for _, v := range []string{c.there, c.added} {
				a := payloads.Add(t, v)
				a.RefuseBootOrder = c.refuse
				if _, err := p.Add(t.Context(), a); !errors.Is(err, c.want) {
					t.Fatalf("%v, want %v", err, c.want)
				}
			}
			if warnings.String() != c.warning {
				t.Errorf("%q, want %q", warnings.String(), c.warning)
			}
		})
	}
}

func TestPromote(t *testing.T) {
	_, p := site(t, "1.0.0", "1.1.0", "1.2.0")
	for _, step := range []struct {
		version, channel string
		percent          int
		document         string
	}{
		{"1.0.0", "stable", 100, "1.0.0"},
		{"1.1.0", "stable", 10, "1.0.0"},
		{"1.1.0", "stable", 60, "1.0.0"},
		{"1.2.0", "stable", 10, "1.0.0"},
		{"1.2.0", "stable", 100, "1.2.0"},
		{"1.2.0", "stable", 100, "1.2.0"},
		{"1.0.0", "stable", 50, "1.2.0"},
		{"1.0.0", "stable", 100, "1.0.0"},
	} {
		mustPromote(t, p, step.version, step.channel, step.percent)
		if got := document(t, p); got != step.document {
			t.Fatalf("%+v: the document offers %s", step, got)
		}
		c, err := channels.Load(p.ChannelsFile)
		if err != nil {
			t.Fatal(err)
		}
		if found := findings(t, p, c); len(found) > 0 {
			t.Errorf("%+v: %q", step, found)
		}
	}
}

func TestPromoteRefused(t *testing.T) {
	_, p := site(t, "1.0.0", "1.1.0")
	mustPromote(t, p, "1.1.0", "stable", 100)
	damage(t, filepath.Join(p.Root.Release(releasetest.Version(t, "1.0.0")), "clipos-core.zst"))
	for name, c := range map[string]struct {
		promotion publish.Promotion
		want      error
	}{
		"not there":       {publish.Promotion{Version: releasetest.Version(t, "3.0.0"), Channel: "stable", Percent: 100}, publish.ErrNotThere},
		"older":           {publish.Promotion{Version: releasetest.Version(t, "1.0.0"), Channel: "stable", Percent: 100}, publish.ErrOlder},
		"damaged":         {publish.Promotion{Version: releasetest.Version(t, "1.0.0"), Channel: "stable", Percent: 100, AllowOlder: true}, new(publish.FindingsError)},
		"unknown channel": {publish.Promotion{Version: releasetest.Version(t, "1.1.0"), Channel: "beta", Percent: 100}, channels.ErrUnknownChannel},
		"percent":         {publish.Promotion{Version: releasetest.Version(t, "1.1.0"), Channel: "stable", Percent: 101}, channels.ErrPercent},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Promote(t.Context(), c.promotion)
			var found *publish.FindingsError
			if !errors.Is(err, c.want) && !(errors.As(c.want, &found) && errors.As(err, &found)) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if got := document(t, p); got != "1.1.0" {
				t.Errorf("the document offers %s", got)
			}
		})
	}
}

// The version document leads to a release that is there and was judged, also
// when another one is promoted; else nothing is changed.
func TestPromoteJudgesDocument(t *testing.T) {
	const (
		rest = "[channel.stable]\nversion = \"1.1.0\"\npercent = 10\nprevious = \"1.0.0\"\n"
		good = "version = \"1.0.0\"\n"
		old  = "version = \"1.1.0\"\n"
	)
	nothing := func(*testing.T, string) {}
	damaged := func(t *testing.T, release string) { damage(t, filepath.Join(release, "clipos-core")) }
	dir, p := site(t, "1.0.0")
	a := payloads.Add(t, "1.1.0")
	a.Patches = 0 // which would be judged with their base
	if _, err := p.Add(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		channel, stable, document string
		change                    func(t *testing.T, release string) // 1.0.0
		want                      error
	}{
		"of a part":               {"stable", rest, old, nothing, nil},
		"of another channel":      {"beta", rest, old, nothing, nil},
		"unreadable, replaced":    {"beta", rest, "version", nothing, nil},
		"gone, of a part":         {"stable", rest, old, remove, publish.ErrNotThere},
		"gone, another channel":   {"beta", rest, old, remove, publish.ErrNotThere},
		"damaged, of a part":      {"stable", rest, old, damaged, new(publish.FindingsError)},
		"damaged, another":        {"beta", rest, old, damaged, new(publish.FindingsError)},
		"damaged, offered before": {"beta", rest, good, damaged, nil},
		"unreadable, none to be":  {"beta", "", "version", nothing, updater.ErrInvalidVersion},
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			releasetest.Copy(t, dir, copied)
			p := releasetest.Publisher(t, copied, new(bytes.Buffer))
			file := "product = \"clipos\"\n" + c.stable + "[channel.beta]\n"
			write(t, p.ChannelsFile, file)
			write(t, p.Root.Document(), c.document)
			c.change(t, p.Root.Release(releasetest.Version(t, "1.0.0")))
			o := publish.Promotion{Version: releasetest.Version(t, "1.1.0"), Channel: c.channel, Percent: 20}
			if c.stable == "" {
				o.Percent = 100
			}
			_, err := p.Promote(t.Context(), o)
			var found *publish.FindingsError
			if !errors.Is(err, c.want) && !(errors.As(c.want, &found) && errors.As(err, &found)) {
				t.Errorf("%v, want %v", err, c.want)
			}
			want := good
			if c.want != nil {
				want = c.document
			}
			if got := read(t, p.Root.Document()); got != want {
				t.Errorf("the document is %q, want %q", got, want)
			}
			if changed := read(t, p.ChannelsFile) != file; changed != (c.want == nil) {
				t.Errorf("the channels file: changed %t", changed)
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// What a part of the machines is offered is only taken away when that is
// wanted.
func TestPromoteTakesAway(t *testing.T) {
	dir, _ := site(t, "1.0.0", "1.1.0", "1.2.0")
	const rollout = "product = \"clipos\"\n[channel.stable]\nversion = \"1.1.0\"\npercent = %d\nprevious = \"1.0.0\"\n"
	for name, c := range map[string]struct {
		before  int
		version string
		percent int
		want    error
	}{
		"grows":                       {50, "1.1.0", 51, nil},
		"again":                       {50, "1.1.0", 50, nil},
		"shrinks":                     {50, "1.1.0", 49, publish.ErrTakesAway},
		"to none":                     {1, "1.1.0", 0, publish.ErrTakesAway},
		"the next for some":           {1, "1.2.0", 99, publish.ErrTakesAway},
		"the next for all":            {99, "1.2.0", 100, nil},
		"the next after a withdrawal": {0, "1.2.0", 1, nil},
		"older":                       {50, "1.0.0", 100, publish.ErrOlder},
	} {
		for _, allow := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, allowed %t", name, allow), func(t *testing.T) {
				copied := t.TempDir()
				releasetest.Copy(t, dir, copied)
				p := releasetest.Publisher(t, copied, new(bytes.Buffer))
				before := fmt.Sprintf(rollout, c.before)
				write(t, p.ChannelsFile, before)
				_, err := p.Promote(t.Context(), publish.Promotion{
					Version: releasetest.Version(t, c.version), Channel: "stable", Percent: c.percent, AllowOlder: allow,
				})
				want := c.want
				if allow {
					want = nil
				}
				if !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				if want != nil && read(t, p.ChannelsFile) != before {
					t.Error("the channels file has changed")
				}
			})
		}
	}
}

func damage(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPrune(t *testing.T) {
	dir, p := site(t, "1.0.0", "1.1.0", "1.2.0", "2.0.0")
	mustPromote(t, p, "2.0.0", "stable", 100)
	for name, c := range map[string]struct {
		offered []string
		keep    int
		gone    string
		patches string
	}{
		"what is new, and its bases":           {nil, 1, "[1.0.0]", "[[1.0.0 1.2.0] [1.0.0 1.1.0]]"},
		"all that are there":                   {nil, 4, "[]", "[]"},
		"what is offered in part":              {[]string{"1.0.0"}, 1, "[]", "[]"},
		"what is offered, and the bases of it": {[]string{"1.2.0"}, 1, "[]", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			releasetest.Copy(t, dir, copied)
			p := releasetest.Publisher(t, copied, new(bytes.Buffer))
			for _, v := range c.offered {
				mustPromote(t, p, v, "stable", 50)
			}
			before := tree(t, copied)
			dry, err := p.Prune(c.keep, true)
			if err != nil || !slices.Equal(tree(t, copied), before) {
				t.Errorf("%v, or a dry run changed something", err)
			}
			r, err := p.Prune(c.keep, false)
			if err != nil || fmt.Sprint(r) != fmt.Sprint(dry) {
				t.Errorf("%v, %v; dry %v", r, err, dry)
			}
			if got := fmt.Sprint(r.Versions); got != c.gone {
				t.Errorf("removed %s, want %s", got, c.gone)
			}
			if got := fmt.Sprint(r.Patches); got != c.patches {
				t.Errorf("removed patches %s, want %s", got, c.patches)
			}
			file, err := channels.Load(p.ChannelsFile)
			if err != nil {
				t.Fatal(err)
			}
			if found := findings(t, p, file); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

// Without the channels file nobody knows what is offered.
func TestPruneWithoutChannels(t *testing.T) {
	dir, p := site(t, "1.0.0", "1.1.0")
	before := tree(t, dir)
	if _, err := p.Prune(1, false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if !slices.Equal(tree(t, dir), before) {
		t.Error("something was removed")
	}
}

func TestBusy(t *testing.T) {
	dir, p := site(t, "1.0.0")
	other := releasetest.Publisher(t, dir, new(bytes.Buffer))
	if err := other.Root.Lock(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Add(t.Context(), payloads.Add(t, "1.1.0")); !errors.Is(err, webroot.ErrBusy) {
		t.Error(err)
	}
	if err := other.Root.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Add(t.Context(), payloads.Add(t, "1.1.0")); err != nil {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	dir, p := site(t, "1.0.0")
	before := tree(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Add(ctx, payloads.Add(t, "1.1.0")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if !slices.Equal(tree(t, dir), before) {
		t.Errorf("%q", tree(t, dir))
	}
}
