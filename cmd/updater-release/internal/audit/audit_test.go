// SPDX-License-Identifier: LGPL-2.1-or-later

package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/audit"
	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/publish"
	"github.com/clipos/updater/cmd/updater-release/internal/releasetest"
	"github.com/clipos/updater/cmd/updater-release/internal/signing"
)

// good is a folder with a web root that has 1.0.0, 1.1.0 and 1.2.0, and a
// channels file that offers 1.1.0.
var (
	good     string
	payloads releasetest.Payloads
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "audit-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if payloads, err = releasetest.Build(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		good = filepath.Join(dir, "good")
		return m.Run()
	}())
}

// site is a copy of the good one.
func site(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(good); err != nil {
		p := releasetest.Publisher(t, good, new(bytes.Buffer))
		for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
			if _, err := p.Add(t.Context(), payloads.Add(t, v)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := p.Promote(t.Context(), publish.Promotion{Version: releasetest.Version(t, "1.1.0"), Channel: "stable", Percent: 100})
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	releasetest.Copy(t, good, dir)
	return dir
}

// judge returns what is found.
func judge(t *testing.T, dir string) []string {
	t.Helper()
	p := releasetest.Publisher(t, dir, new(bytes.Buffer))
	file, err := channels.Load(p.ChannelsFile)
	if err != nil {
		t.Fatal(err)
	}
	a := audit.Auditor{Root: p.Root, Judge: p.Judge, Workers: 2}
	found, err := a.All(t.Context(), file, "channels.toml")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, f := range found {
		texts = append(texts, f.String())
	}
	return texts
}

// vandal changes a web root.
type vandal struct {
	t    *testing.T
	root string
}

func (v vandal) path(name string) string { return filepath.Join(v.root, name) }

func (v vandal) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

func (v vandal) read(name string) []byte {
	v.t.Helper()
	content, err := os.ReadFile(v.path(name))
	v.must(err)
	return content
}

func (v vandal) write(name string, content []byte) {
	v.t.Helper()
	v.must(os.MkdirAll(filepath.Dir(v.path(name)), 0o755))
	v.must(os.WriteFile(v.path(name), content, 0o644))
}

func (v vandal) flip(name string, at int) {
	v.t.Helper()
	content := v.read(name)
	if at < 0 {
		at += len(content)
	}
	content[at] ^= 1
	v.write(name, content)
}

func (v vandal) remove(name string) { v.must(os.RemoveAll(v.path(name))) }

func (v vandal) swap(one, other string) {
	a, b := v.read(one), v.read(other)
	v.write(one, b)
	v.write(other, a)
}

// sign signs a file as the release engineer would, for 1.1.0.
func (v vandal) sign(name string) { v.signWith(releasetest.Key(v.t), name) }

func (v vandal) signWith(k *signing.Key, name string) {
	v.t.Helper()
	text, err := k.Sign(v.path(name), "1.1.0")
	v.must(err)
	v.write(name+".sig", text)
}

const (
	core    = "dist/1.1.0/clipos-core"
	efiboot = "dist/1.1.0/clipos-efiboot"
	zst     = "dist/1.1.0/clipos-core.zst"
	patch10 = "dist/1.1.0/clipos-core.from-1.0.0.patch"
	to12    = "dist/1.2.0/clipos-core.from-1.1.0.patch"
	version = "update/v1/clipos/version"
)

// encryptedKey is a secret key of minisign, in the form it has with a password.
const encryptedKey = `untrusted comment: minisign secret key A92CEEF81CF27986
RWRTY0IypCINMW1JPA+HFoczWAQANO7ZXeKrauD9zZ6DXXKPgs4AgAAAAAAAAAAAAAEAAAAALAlI1hTeMPvW+ZVVUIhO0cNU4SUbm1TX7Zmg2bE4jaglrkm0T+Y0pDl23WEsOg8gJKGdD90Bj1Pgo+rGOwJ6TGF8We+ZJFCAOsXDzGiqjp9Vf969SN6dil/rm6ktlLvYkmN+Hwyj3wc=
`

func TestGood(t *testing.T) {
	if found := judge(t, site(t)); len(found) > 0 {
		t.Errorf("%q", found)
	}
}

// Each attack is found, named, and nothing else is.
func TestAttacks(t *testing.T) {
	for name, c := range map[string]struct {
		attack func(vandal)
		want   []string // the beginning of each finding
	}{
		"patch: a bit of a frame": {func(v vandal) { v.flip(patch10, -100) }, []string{
			patch10 + ": does not make clipos-core: ", patch10 + ": signature invalid: payload is not the one signed",
		}},
		"patch: a bit, and signed again": {func(v vandal) { v.flip(patch10, -100); v.sign(patch10) }, []string{
			patch10 + ": does not make clipos-core: ",
		}},
		"patch: a bit of the header, and signed again": {func(v vandal) { v.flip(patch10, 0); v.sign(patch10) }, []string{
			patch10 + ": patch malformed",
		}},
		"patch: cut short, and signed again": {func(v vandal) {
			v.write(patch10, v.read(patch10)[:1000])
			v.sign(patch10)
		}, []string{patch10 + ": patch malformed"}},
		"patch: that to another version, signed for this": {func(v vandal) {
			v.write(patch10, v.read("dist/1.2.0/clipos-core.from-1.0.0.patch"))
			v.sign(patch10)
		}, []string{patch10 + `: says of itself that it leads from "1.0.0" to "1.2.0"`}},
		"patch: from a base that is not there": {func(v vandal) { v.remove("dist/1.0.0") }, []string{
			patch10 + ": its base cannot be read: ", "dist/1.2.0/clipos-core.from-1.0.0.patch: its base cannot be read: ",
		}},
		"patch: for more memory than machines have": {func(v vandal) {
			v.write(patch10, memoryPatch(v.t))
			v.sign(patch10)
		}, []string{patch10 + ": every machine passes it over: rebuilding takes too much memory: "}},
		"patch: its signature gone": {func(v vandal) { v.remove(patch10 + ".sig") }, []string{patch10 + ".sig: missing"}},
		"patch: gone, its signature left": {func(v vandal) { v.remove(patch10) }, []string{
			patch10 + ".sig: a signature of nothing",
		}},
		"signatures swapped": {func(v vandal) { v.swap(core+".sig", efiboot+".sig") }, []string{
			core + ": signature invalid: ", patch10 + ": does not make clipos-core: signature invalid", zst + ": does not make clipos-core: signature invalid",
			efiboot + ": signature invalid: ",
		}},
		"payloads and signatures swapped": {func(v vandal) {
			v.swap(core, efiboot)
			v.swap(core+".sig", efiboot+".sig")
		}, []string{
			patch10 + ": does not make clipos-core: ", zst + ": does not make clipos-core: ",
			efiboot + ": payloads do not belong together: ", to12 + ": does not make clipos-core: ",
		}},
		"signature of another version": {func(v vandal) { v.write(core+".sig", v.read("dist/1.0.0/clipos-core.sig")) }, []string{
			core + ".sig: signed for another version: ", patch10 + ": there is no valid signature", zst + ": there is no valid signature",
		}},
		"signature by another key": {func(v vandal) {
			dir := v.t.TempDir()
			k, err := signing.Generate(filepath.Join(dir, "k"), filepath.Join(dir, "p"), "")
			v.must(err)
			v.signWith(k, zst)
		}, []string{zst + ".sig: signature invalid: made with key "}},
		"signature empty":   {func(v vandal) { v.write(efiboot+".sig", nil) }, []string{efiboot + ".sig: signature invalid: "}},
		"signature of 1 MB": {func(v vandal) { v.write(efiboot+".sig", make([]byte, 1<<20)) }, []string{efiboot + ".sig: signature invalid: "}},
		"core: a bit": {func(v vandal) { v.flip(core, 50000) }, []string{
			core + ": signature invalid: payload is not", to12 + ": does not make clipos-core: ",
		}},
		"core: gone": {func(v vandal) { v.remove(core) }, []string{
			core + ": missing", core + ".sig: a signature of nothing", to12 + ": its base cannot be read",
		}},
		"core of another release, signed for this": {func(v vandal) {
			v.write(core, v.read("dist/1.0.0/clipos-core"))
			v.sign(core)
		}, []string{
			patch10 + ": does not make", zst + ": does not make", efiboot + ": payloads do not belong together: ", to12 + ": does not make",
		}},
		"efiboot: a bit":  {func(v vandal) { v.flip(efiboot, -10) }, []string{efiboot + ": signature invalid: payload is not"}},
		"efiboot: gone":   {func(v vandal) { v.remove(efiboot); v.remove(efiboot + ".sig") }, []string{efiboot + ": missing"}},
		"zst: of another": {func(v vandal) { v.write(zst, v.read("dist/1.0.0/clipos-core.zst")); v.sign(zst) }, []string{zst + ": does not make clipos-core: "}},
		"zst: unsigned":   {func(v vandal) { v.remove(zst + ".sig") }, []string{zst + ".sig: missing"}},
		"zst: not one":    {func(v vandal) { v.write(zst, []byte("nothing")); v.sign(zst) }, []string{zst + ": does not make clipos-core: compressed image malformed"}},
		"a link": {func(v vandal) {
			v.remove(zst)
			v.must(os.Symlink("clipos-core", v.path(zst)))
		}, []string{zst + ": not a regular file", zst + ".sig: a signature of nothing"}},
		"not readable": {func(v vandal) { v.must(os.Chmod(v.path(zst), 0o600)) }, []string{zst + ": mode 0600, a server cannot read it"}},
		"a closed folder": {func(v vandal) { v.must(os.Chmod(v.path("dist/1.1.0"), 0o700)) }, []string{
			"dist/1.1.0: mode 0700, a server cannot look into it",
		}},
		"another file":     {func(v vandal) { v.write("dist/1.1.0/.clipos-core.tmp", nil) }, []string{"dist/1.1.0/.clipos-core.tmp: no part of a release of clipos"}},
		"another product":  {func(v vandal) { v.write("dist/1.1.0/other-core", nil) }, []string{"dist/1.1.0/other-core: no part of a release of clipos"}},
		"another document": {func(v vandal) { v.write("update/v1/other/version", nil) }, []string{"update/v1/other: belongs to no release of clipos"}},
		"closed folders above": {func(v vandal) {
			for _, name := range []string{".", "dist", "update", "update/v1", "update/v1/clipos"} {
				v.must(os.Chmod(v.path(name), 0o700))
			}
		}, []string{
			".: mode 0700, a server cannot look into it", "dist: mode 0700, ", "update: mode 0700, ", "update/v1: mode 0700, ", "update/v1/clipos: mode 0700, ",
		}},
		"files at the top": {func(v vandal) { v.write("index.html", nil); v.write("robots.txt", nil); v.write("help/a.html", nil) }, nil},
		"a secret key": {func(v vandal) {
			_, err := signing.Generate(v.path("updater.key"), v.path("updater.pub"), "")
			v.must(err)
		}, []string{"updater.key: a secret key, "}},
		"an encrypted one, deep down": {func(v vandal) {
			v.write("backup/keys/x", []byte(encryptedKey))
		}, []string{"backup/keys/x: a secret key, "}},
		"a secret key in a release": {func(v vandal) {
			v.write("dist/1.1.0/updater.key", []byte(encryptedKey))
		}, []string{"dist/1.1.0/updater.key: a secret key, ", "dist/1.1.0/updater.key: no part of a release of clipos"}},
		"a server's key": {func(v vandal) {
			v.write("server.pem", []byte("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"))
		}, []string{"server.pem: a secret key, "}},
		"links beside releases": {func(v vandal) {
			v.must(os.Symlink("/etc", v.path("etc")))
			v.must(os.Symlink("/etc", v.path("update/etc")))
			v.must(os.Symlink("1.1.0", v.path("dist/latest")))
		}, []string{
			"etc: a link, ", "update/etc: a link, ", "update/etc: belongs to no release of clipos",
			"dist/latest: a link, ", `dist/latest: invalid version "latest"`,
		}},
		"update is a link": {func(v vandal) {
			v.must(os.Rename(v.path("update"), v.path("../update")))
			v.must(os.Symlink("../update", v.path("update")))
		}, []string{"update: not a folder"}},
		"another interface": {func(v vandal) { v.write("update/v2/clipos/version", nil) }, []string{"update/v2: belongs to no release of clipos"}},
		"no version":        {func(v vandal) { v.write("dist/latest/clipos-core", nil) }, []string{`dist/latest: invalid version "latest"`}},
		"half a release": {func(v vandal) { v.write(".updater-release/2.0.0/clipos-core", nil) }, []string{
			".updater-release: left behind by an interrupted change",
		}},
		"offered, not there": {func(v vandal) { v.write(version, []byte("version = \"3.0.0\"\n")) }, []string{
			version + ": offers 3.0.0, and channel stable 1.1.0 to all its machines", version + ": offers 3.0.0, which is not there",
		}},
		"document without a version": {func(v vandal) { v.write(version, []byte("ver = 1\n")) }, []string{
			version + ": invalid version: ", version + ": offers nothing, and channel stable 1.1.0",
		}},
		"no document": {func(v vandal) { v.remove(version) }, []string{version + ": offers nothing, and channel stable 1.1.0"}},
		"channel offers what is not there": {func(v vandal) {
			v.write("../channels.toml", append(v.read("../channels.toml"), "[channel.beta]\nversion = \"4.0.0\"\npercent = 1\nprevious = \"1.0.0\"\n"...))
		}, []string{"channels.toml: channel beta offers 4.0.0, which is not there"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := site(t)
			c.attack(vandal{t, filepath.Join(dir, "webroot")})
			found := judge(t, dir)
			matches := len(found) == len(c.want)
			for _, w := range c.want {
				matches = matches && slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, w) })
			}
			if !matches {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	p := releasetest.Publisher(t, site(t), new(bytes.Buffer))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := audit.Auditor{Root: p.Root, Judge: p.Judge, Workers: 2}
	if found, err := a.All(ctx, nil, ""); !errors.Is(err, context.Canceled) || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}

// Progress goes up to all there is.
func TestProgress(t *testing.T) {
	p := releasetest.Publisher(t, site(t), new(bytes.Buffer))
	var last, all int64
	a := audit.Auditor{Root: p.Root, Judge: p.Judge, Workers: 2, Progress: func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last, all = done, total
	}}
	if _, err := a.All(t.Context(), nil, ""); err != nil || last != all || all == 0 {
		t.Errorf("%d of %d, %v", last, all, err)
	}
}
