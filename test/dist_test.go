// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// distVersion is the tag of the release that the tests make.
const distVersion = "v5.0.0-rc.1"

// TestDist makes a release twice, in a repository and in a fresh clone of it by
// a user with other settings, and wants the same files. The source archive and
// the checkouts build into the same programs, those that the lists of modules
// are of.
func TestDist(t *testing.T) {
	first := makeRepository(t)
	command(t, first, []string{"TZ=UTC0", "LC_ALL=C", "GIT_CONFIG_COUNT=0"}, "make", "dist")
	second := filepath.Join(t.TempDir(), "quite/another/folder")
	command(t, "/", nil, "git", "clone", "-q", first, second)
	// The first thing that is made there needs what make dist makes.
	command(t, second, []string{
		"TZ=Asia/Tokyo", "LC_ALL=C.UTF-8",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=tar.umask", "GIT_CONFIG_VALUE_0=0077", "GIT_CONFIG_KEY_1=core.autocrlf", "GIT_CONFIG_VALUE_1=true",
	}, "make", "gentoo")
	wantManifest(t, second)
	wantSame(t, filepath.Join(first, "build/dist"), filepath.Join(second, "build/dist"))
	wantChecksums(t, filepath.Join(first, "build/dist"))

	source := filepath.Join(t.TempDir(), "x")
	name := "updater-" + distVersion
	command(t, "/", nil, "mkdir", source)
	command(t, "/", nil, "tar", "-xzf", filepath.Join(first, "build/dist", name+".tar.gz"), "-C", source)
	source = filepath.Join(source, name)
	for _, tree := range []string{first, second, source} {
		command(t, tree, nil, "make", "build")
	}
	wantSame(t, filepath.Join(first, "bin"), filepath.Join(second, "bin"))
	wantSame(t, filepath.Join(first, "bin"), filepath.Join(source, "bin"))
	if got := command(t, "/", nil, filepath.Join(source, "bin/updaterd"), "--version"); !strings.Contains(got, distVersion) {
		t.Errorf("updaterd is version %q", got)
	}
	for _, program := range []string{"updaterd", "updaterctl", "updater-notify", "updater-release"} {
		wantListed(t, filepath.Join(first, "build/dist", program+"-"+distVersion+".cdx.json"), filepath.Join(source, "bin", program))
	}
}

// makeRepository puts this tree into a repository of its own, with a tag.
func makeRepository(t *testing.T) (tree string) {
	t.Helper()
	tree = filepath.Join(t.TempDir(), "a")
	copyTree(t, "..", tree)
	const author = "T"
	identity := []string{
		"GIT_AUTHOR_NAME=" + author, "GIT_AUTHOR_EMAIL=t@example.org", "GIT_AUTHOR_DATE=1772366400 +0100",
		"GIT_COMMITTER_NAME=" + author, "GIT_COMMITTER_EMAIL=t@example.org", "GIT_COMMITTER_DATE=1772366400 +0100",
	}
	for _, args := range []string{"init -q", "-c core.autocrlf=false add -A", "commit -q -m release", "tag " + distVersion} {
		command(t, tree, identity, "git", strings.Fields(args)...)
	}
	return tree
}

// wantManifest demands that the ebuild's Manifest has the archives of make dist.
func wantManifest(t *testing.T, tree string) {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(tree, "build/gentoo/Manifest"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"updater-" + distVersion + ".tar.gz", "updater-" + distVersion + "-deps.tar.xz"} {
		data, err := os.ReadFile(filepath.Join(tree, "build/dist", name))
		if err != nil {
			t.Fatal(err)
		}
		if line := fmt.Sprintf("DIST %s %d BLAKE2B ", name, len(data)); !strings.Contains(string(manifest), line) ||
			!strings.Contains(string(manifest), fmt.Sprintf(" SHA512 %x\n", sha512.Sum512(data))) {
			t.Errorf("no %s in\n%s", name, manifest)
		}
	}
}

// copyTree copies what belongs to the source.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case slices.Contains([]string{".git", "bin", "build"}, relative):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil // a worktree's .git
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type() == fs.ModeSymlink:
			// It may lead to what is only there elsewhere.
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// command runs a program in a folder, with more in its environment, and returns
// what it printed.
func command(t *testing.T, folder string, environment []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = folder
	// A make that runs this test has flags of its own; what it found out about
	// this tree does not hold for others.
	c.Env = append(os.Environ(), "MAKEFLAGS=", "GOFLAGS=")
	c.Env = append(c.Env, environment...)
	output, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, output)
	}
	return string(output)
}

// contents are the files in a folder by name.
func contents(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(folder, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func wantSame(t *testing.T, first, second string) {
	t.Helper()
	a, b := contents(t, first), contents(t, second)
	if len(a) == 0 || !slices.Equal(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))) {
		t.Fatalf("%q and %q", slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	}
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s of %d bytes differs from %s of %d", filepath.Join(first, name), len(a[name]), filepath.Join(second, name), len(b[name]))
		}
	}
}

// wantChecksums demands that SHA256SUMS has all other files.
func wantChecksums(t *testing.T, dist string) {
	t.Helper()
	files := contents(t, dist)
	sums := string(files["SHA256SUMS"])
	delete(files, "SHA256SUMS")
	programs, err := filepath.Glob("../cmd/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	// The two archives, and a list for each program.
	if got := strings.Count(sums, "\n"); got != len(files) || got != 2+len(programs) {
		t.Errorf("%d checksums of %d files", got, len(files))
	}
	for name, data := range files {
		sum := sha256.Sum256(data)
		if !strings.Contains(sums, hex.EncodeToString(sum[:])+"  "+name+"\n") {
			t.Errorf("no checksum of %s in\n%s", name, sums)
		}
	}
}

// billOfMaterials is what is read of a list in CycloneDX's JSON, version 1.5.
type billOfMaterials struct {
	BOMFormat   string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Metadata    struct {
		Timestamp  string `json:"timestamp"`
		Component  module `json:"component"`
		Properties []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"properties"`
	} `json:"metadata"`
	Components []module `json:"components"`
}

type module struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	PURL     string `json:"purl"`
	Evidence struct {
		Licenses []any `json:"licenses"`
	} `json:"evidence"`
}

// wantListed demands that the list is of this very program, and of every module
// that go list says is linked into it, with a licence, and of no other.
func wantListed(t *testing.T, list, program string) {
	t.Helper()
	data, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var bom billOfMaterials
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || bom.SpecVersion != "1.5" || bom.Metadata.Timestamp != "2026-03-01T12:00:00Z" {
		t.Errorf("%s %s of %s", bom.BOMFormat, bom.SpecVersion, bom.Metadata.Timestamp)
	}
	if c := bom.Metadata.Component; c.Name != "github.com/clipos/updater" || c.Version != distVersion {
		t.Errorf("list of %s %s", c.Name, c.Version)
	}
	wantProgram(t, bom, program)
	want := linked(t, filepath.Base(program))
	for _, m := range bom.Components {
		if m.Name == "std" {
			continue
		}
		if version, found := want[m.Name]; !found || m.Version != version {
			t.Errorf("lists %s %s, want %q", m.Name, m.Version, version)
		}
		if !strings.HasPrefix(m.PURL, "pkg:golang/"+m.Name+"@"+m.Version) || len(m.Evidence.Licenses) == 0 {
			t.Errorf("%s is %q with licences %v", m.Name, m.PURL, m.Evidence.Licenses)
		}
		delete(want, m.Name)
	}
	if len(want) > 0 {
		t.Errorf("does not list %v", want)
	}
}

// wantProgram demands that the list names the program's checksum.
func wantProgram(t *testing.T, bom billOfMaterials, program string) {
	t.Helper()
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	for _, p := range bom.Metadata.Properties {
		if p.Name == "cdx:gomod:binary:hash:SHA-256" && p.Value == hex.EncodeToString(sum[:]) {
			return
		}
	}
	t.Errorf("the list is of another program than %s: %+v", program, bom.Metadata.Properties)
}

// linked are the modules that a program is linked from, with their versions.
func linked(t *testing.T, program string) map[string]string {
	t.Helper()
	const form = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}`
	modules := map[string]string{}
	for line := range strings.Lines(command(t, "..", []string{"CGO_ENABLED=0"}, "go", "list", "-deps", "-f", form, "./cmd/"+program)) {
		if path, version, found := strings.Cut(strings.TrimSpace(line), " "); found {
			modules[path] = version
		}
	}
	if len(modules) < 5 {
		t.Fatalf("%s is linked from %v", program, modules)
	}
	return modules
}
