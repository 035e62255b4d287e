// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/tlsserver"
)

// What CLIP OS ships, word for word.
const (
	clipOSConfig = `os_name = "clipos"
[core]
destination = "mainvg"
size = "4G"                      # size of a new volume, lvcreate -L syntax
[efiboot]
destination = "/mnt/efiboot/EFI/Linux"
`
	clipOSRemote = `update_url = "https://update.clip-os.org/update/v1"
dist_url = "https://update.clip-os.org/dist"
`
)

// configured is a machine of CLIP OS in a folder; no server answers it.
func configured(t *testing.T) *system {
	t.Helper()
	authority, err := tlsserver.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, paths: NewPaths(t.TempDir(), "", "", "")}
	s.write("/usr/lib/updater/config.toml", clipOSConfig)
	s.write("/usr/lib/updater/pubkey", keys.Public())
	s.write("/etc/updater/remote.toml", clipOSRemote)
	s.write("/etc/updater/rootca.pem", string(authority.PEM()))
	s.write("/etc/os-release", "NAME=\"CLIP OS\"\nID=clipos\nVERSION_ID=5.0.0-alpha.1+instrumented\n")
	s.write("/etc/machine-id", machineID+"\n")
	return s
}

// refused loads and asserts that it fails as an invalid configuration, and as
// nothing else, in one line that begins with the place.
func (s *system) refused(err error, place, why string) {
	s.t.Helper()
	if !errors.Is(err, ErrConfigInvalid) {
		s.t.Fatalf("error %v, want %v", err, ErrConfigInvalid)
	}
	if errors.Is(err, ErrInvalidVersion) {
		s.t.Errorf("%v is also %v", err, ErrInvalidVersion)
	}
	text := strings.ReplaceAll(err.Error(), s.paths.Root, "")
	if want := ErrConfigInvalid.Error() + ": " + place; !strings.HasPrefix(text, want) || !strings.Contains(text, why) {
		s.t.Errorf("error %q, want %q because of %q", text, want, why)
	}
	if strings.ContainsAny(text, "\n\r\x00\x1b") || len(text) > 400 {
		s.t.Errorf("raw or long text in %q", text)
	}
}

// soon fails the test where f waits for somebody.
func soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("it waits")
	}
}

func TestLoadWhatCLIPOSShips(t *testing.T) {
	s := configured(t)
	c := s.load()
	if want := (System{
		Core:    CoreConfig{Destination: "mainvg", SizeBytes: 4 << 30},
		EFIBoot: EFIBootConfig{Destination: "/mnt/efiboot/EFI/Linux"},
		Trust:   TrustConfig{PrehashedOnly: true, ContentBinding: true},
	}); c.System != want {
		t.Errorf("system %+v, want %+v", c.System, want)
	}
	if want := (Remote{"https://update.clip-os.org/update/v1", "https://update.clip-os.org/dist"}); c.Remote != want {
		t.Errorf("remote %+v, want %+v", c.Remote, want)
	}
	if c.OSName != "clipos" || c.Running.String() != "5.0.0-alpha.1" || c.MachineID != machineID {
		t.Errorf("%q runs %q on %q", c.OSName, c.Running, c.MachineID)
	}
	if key := strings.Fields(keys.Public()); !strings.Contains(keys.Public(), c.key.String()) || c.roots == nil {
		t.Errorf("key %s of %q, roots %v", c.key, key, c.roots)
	}
}

func TestLoadEverySetting(t *testing.T) {
	s := configured(t)
	s.write("/usr/lib/updater/config.toml", `os_name = "my-os2"
[core]
backend = "directory"
destination = "/var/lib//images/"
size = "1.5g"
[efiboot]
destination = "/boot/efi/EFI/Linux/"
boot_tries = 99
boot_order = "refuse"
[trust]
prehashed_only = false
content_binding = false
root_hash_parameter = "my.root-hash"
`)
	s.write("/etc/updater/remote.toml", "update_url = \"https://[::1]:8443//\"\r\ndist_url = 'HTTPS://example.org/a%20b/'\r\n")
	c := s.load()
	if want := (System{
		Core:    CoreConfig{Destination: "/var/lib/images", SizeBytes: 3 << 29, Directory: true},
		EFIBoot: EFIBootConfig{Destination: "/boot/efi/EFI/Linux", BootTries: 99, RefuseBootOrder: true},
		Trust:   TrustConfig{RootHashParameter: "my.root-hash"},
	}); c.System != want || c.OSName != "my-os2" {
		t.Errorf("%q, %+v, want %+v", c.OSName, c.System, want)
	}
	if want := (Remote{"https://[::1]:8443", "HTTPS://example.org/a%20b"}); c.Remote != want {
		t.Errorf("%+v, want %+v", c.Remote, want)
	}
}

// The same in inline tables and dotted keys, which TOML takes for tables.
func TestLoadOtherSpelling(t *testing.T) {
	s := configured(t)
	s.write("/usr/lib/updater/config.toml", `
"os_name" = 'clipos'
core = { destination = "mainvg", size = "4G" }
efiboot.destination = "/mnt/efiboot/EFI/Linux"
`)
	if c := s.load(); c.Core != (CoreConfig{Destination: "mainvg", SizeBytes: 4 << 30}) || c.EFIBoot.Destination != "/mnt/efiboot/EFI/Linux" {
		t.Errorf("%+v", c.System)
	}
}

func TestLoadRefusesConfig(t *testing.T) {
	const file = "/usr/lib/updater/config.toml"
	for name, c := range map[string]struct {
		// old is replaced by text in what CLIP OS ships.
		old, text  string
		place, why string
	}{
		"empty file":               {clipOSConfig, "", ": os_name: ", "missing"},
		"unknown key":              {"[core]\n", "[core]\nsizes = \"4G\"\n", ":3: core.sizes: ", "unknown key"},
		"unknown key at the top":   {"[core]\n", "debug = true\n[core]\n", ":2: debug: ", "unknown key"},
		"unknown table":            {"[efiboot]\n", "[network]\n[efiboot]\n", ":5: network: ", "unknown key"},
		"unknown dotted key":       {"os_name", "trust.debug.x = 1\nos_name", ":1: trust.debug.x: ", "unknown key"},
		"unknown key, odd":         {"[core]\n", "\"a\\nb\\u001b\" = 1\n[core]\n", `:2: "a\nb\x1b": `, "unknown key"},
		"unknown key, long":        {"[core]\n", strings.Repeat("a", 1000) + " = 1\n[core]\n", `:2: "aaa`, "unknown key"},
		"key in capitals":          {"size =", "Size =", ":4: core.Size: ", "unknown key"},
		"key in two spellings":     {"size =", "SIZE = \"5G\"\nsize =", ":4: core.SIZE: ", "unknown key"},
		"table in capitals":        {"[core]", "[Core]", ":2: Core: ", "unknown key"},
		"letter that lowers to k":  {"[core]", "[core]\n\"bac\u212Aend\" = \"directory\"", ":3: \"core.bac\u212Aend\": ", "unknown key"},
		"capital, inline":          {clipOSConfig, "os_name = \"a\"\ncore = {\n  Size = \"4G\" }\n", ":3: core.Size: ", "unknown key"},
		"duplicate key":            {"size =", "size = \"5G\"\nsize =", ":5: size: ", "already defined"},
		"duplicate key, odd":       {"[core]", "[core]\n\"\\u001b\\n\" = 1\n\"\\u001b\\n\" = 2", `:4: "\x1b\n": `, `key \x1b\n is already defined`},
		"duplicate table":          {"[efiboot]", "[core]\n[efiboot]", ":5: core: ", "already exists"},
		"not TOML":                 {clipOSConfig, "<html>", ":1: ", "invalid character"},
		"no value":                 {`"4G"`, "", ":4: ", ""},
		"quotes not closed":        {`"4G"`, `"4G`, ":4: ", "basic string"},
		"NUL":                      {"[core]", "\x00[core]", ":2: ", "invalid character"},
		"not UTF-8":                {"mainvg", "main\xff", ":3: ", ""},
		"byte order mark":          {clipOSConfig, "\uFEFF" + clipOSConfig, ":1: ", "invalid character"},
		"os_name a number":         {`"clipos"`, "5", ":1: os_name: ", "integer, must be a string"},
		"os_name a list":           {`"clipos"`, `["clipos"]`, ":1: os_name: ", "array"},
		"size a number":            {`"4G"`, "4", ":4: core.size: ", "integer, must be a string"},
		"core no table":            {clipOSConfig, "core = 5\n", ":1: core: ", "integer, must be a table"},
		"core two tables":          {"[core]", "[[core]]", ":2: core: ", "array table"},
		"tries a text":             {"[efiboot]", "[efiboot]\nboot_tries = \"3\"", ":6: efiboot.boot_tries: ", "string, must be a int"},
		"switch a text":            {"[efiboot]", "[trust]\nprehashed_only = \"no\"\n[efiboot]", ":6: trust.prehashed_only: ", "string, must be a bool"},
		"no os_name":               {`os_name = "clipos"`, "", ": os_name: ", "missing"},
		"no destination":           {`destination = "mainvg"`, "", ": core.destination: ", "missing"},
		"no size":                  {`size = "4G"`, "", ": core.size: ", "missing"},
		"no ESP":                   {`destination = "/mnt/efiboot/EFI/Linux"`, "", ": efiboot.destination: ", "missing"},
		"os_name empty":            {`"clipos"`, `""`, ":1: os_name: ", "missing or empty"},
		"destination empty":        {`"mainvg"`, `""`, ":3: core.destination: ", "missing or empty"},
		"size empty":               {`"4G"`, `""`, ":4: core.size: ", "missing or empty"},
		"ESP empty":                {`"/mnt/efiboot/EFI/Linux"`, `""`, ":6: efiboot.destination: ", "missing or empty"},
		"os_name -x":               {`"clipos"`, `"-x"`, ":1: os_name: ", `"-x"`},
		"os_name in capitals":      {`"clipos"`, `"CLIPOS"`, ":1: os_name: ", `"CLIPOS"`},
		"os_name with digit first": {`"clipos"`, `"5clip"`, ":1: os_name: ", `"5clip"`},
		"os_name with dot":         {`"clipos"`, `"clip.os"`, ":1: os_name: ", `"clip.os"`},
		"os_name with slash":       {`"clipos"`, `"../clip"`, ":1: os_name: ", `"../clip"`},
		"os_name with line break":  {`"clipos"`, `"clip\nos"`, ":1: os_name: ", `"clip\nos"`},
		"os_name ends in a break":  {`"clipos"`, `"clipos\n"`, ":1: os_name: ", `"clipos\n"`},
		"os_name with NUL":         {`"clipos"`, `"clip\u0000"`, ":1: os_name: ", `"clip\x00"`},
		"os_name of 33":            {`"clipos"`, `"` + strings.Repeat("a", 33) + `"`, ":1: os_name: ", "at most 31"},
		"os_name long":             {`"clipos"`, `"` + strings.Repeat("a", 1<<16) + `"`, ":1: os_name: ", "at most 31"},
		"group --foo":              {"mainvg", "--foo", ":3: core.destination: ", `"--foo"`},
		"group -foo":               {"mainvg", "-foo", ":3: core.destination: ", `"-foo"`},
		"group with slash":         {"mainvg", "vg/lv", ":3: core.destination: ", `"vg/lv"`},
		"group with space":         {"mainvg", "main vg", ":3: core.destination: ", `"main vg"`},
		"group with line break":    {"mainvg", `mainvg\n`, ":3: core.destination: ", `"mainvg\n"`},
		"group a dot":              {"mainvg", ".", ":3: core.destination: ", `"."`},
		"group two dots":           {"mainvg", "..", ":3: core.destination: ", `".."`},
		"group of 128":             {"mainvg", strings.Repeat("v", 128), ":3: core.destination: ", "volume group"},
		"size without unit":        {"4G", "4", ":4: core.size: ", `"4"`},
		"size of nothing":          {"4G", "0G", ":4: core.size: ", "zero"},
		"size negative":            {"4G", "-4G", ":4: core.size: ", `"-4G"`},
		"size with two letters":    {"4G", "4GB", ":4: core.size: ", `"4GB"`},
		"size too large":           {"4G", "99999999999E", ":4: core.size: ", "too large"},
		"size on a later line":     {`"4G"`, "\"\"\"\n\n4\"\"\"", ":4: core.size: ", `"\n4"`},
		"ESP relative":             {"/mnt/efiboot", "mnt/efiboot", ":6: efiboot.destination: ", "not an absolute path"},
		"ESP with NUL":             {"/mnt/efiboot", `/mnt\u0000/efiboot`, ":6: efiboot.destination: ", "not an absolute path"},
		"folder relative":          {`"mainvg"`, "\"volumes\"\nbackend = \"directory\"", ":3: core.destination: ", "not an absolute path"},
		"group for a folder":       {`"mainvg"`, "\"--foo\"\nbackend = \"directory\"", ":3: core.destination: ", "not an absolute path"},
		"folder for a group":       {"mainvg", "/volumes", ":3: core.destination: ", "volume group"},
		"backend unknown":          {"[core]", "[core]\nbackend = \"btrfs\"", ":3: core.backend: ", `"btrfs" is neither "lvm" nor "directory"`},
		"backend empty":            {"[core]", "[core]\nbackend = \"\"", ":3: core.backend: ", "neither"},
		"boot order unknown":       {"[efiboot]", "[efiboot]\nboot_order = \"random\"", ":6: efiboot.boot_order: ", `"random"`},
		"tries negative":           {"[efiboot]", "[efiboot]\nboot_tries = -1", ":6: efiboot.boot_tries: ", "-1"},
		"tries 100":                {"[efiboot]", "[efiboot]\nboot_tries = 100", ":6: efiboot.boot_tries: ", "100"},
		"tries enormous":           {"[efiboot]", "[efiboot]\nboot_tries = 99999999999999999999", ":6: efiboot.boot_tries: ", "too large"},
		"parameter with =":         {"[efiboot]", "[trust]\nroot_hash_parameter = \"a=b\"\n[efiboot]", ":6: trust.root_hash_parameter: ", `"a=b"`},
		"parameter with space":     {"[efiboot]", "[trust]\nroot_hash_parameter = \"a b\"\n[efiboot]", ":6: trust.root_hash_parameter: ", `"a b"`},
		"wrong in an inline table": {clipOSConfig, "os_name = \"a\"\ncore = { destination = \"vg\",\n size = \"4\" }\n", ":3: core.size: ", `"4"`},
		"wrong behind a dot":       {clipOSConfig, "os_name = \"a\"\ncore.destination = \"vg\"\ncore.size = \"4\"\n", ":3: core.size: ", `"4"`},
		"larger than a megabyte":   {clipOSConfig, clipOSConfig + strings.Repeat("#\n", 1<<19), ": ", "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			changed := strings.Replace(clipOSConfig, c.old, c.text, 1)
			if changed == clipOSConfig {
				t.Fatalf("%q is not there", c.old)
			}
			s.write(file, changed)
			_, err := Load(s.paths)
			s.refused(err, file+c.place, c.why)
		})
	}
}

func TestLoadRefusesRemote(t *testing.T) {
	const file, good = "/etc/updater/remote.toml", `"https://update.clip-os.org/update/v1"`
	for name, c := range map[string]struct{ old, text, place, why string }{
		"empty file":        {clipOSRemote, "", ": update_url: ", "missing"},
		"no dist_url":       {"dist_url", "#", ": dist_url: ", "missing"},
		"update_url empty":  {good, `""`, ":1: update_url: ", "missing"},
		"unknown key":       {"dist_url", "proxy = \"https://x\"\ndist_url", ":2: proxy: ", "unknown key"},
		"unknown table":     {"update_url", "[server]\nupdate_url", ":1: server: ", "unknown key"},
		"key in capitals":   {"dist_url", "Dist_URL", ":2: Dist_URL: ", "unknown key"},
		"two spellings":     {"dist_url", "UPDATE_URL = \"https://x\"\ndist_url", ":2: UPDATE_URL: ", "unknown key"},
		"duplicate":         {"dist_url", "update_url = \"https://x\"\ndist_url", ":2: update_url: ", "already defined"},
		"a number":          {good, "443", ":1: update_url: ", "integer"},
		"http":              {"https", "http", ":1: update_url: ", "https://"},
		"file":              {good, `"file:///srv"`, ":1: update_url: ", "https://"},
		"no scheme":         {good, `"update.clip-os.org/update"`, ":1: update_url: ", "https://"},
		"scheme alone":      {good, `"https://"`, ":1: update_url: ", "host"},
		"no host":           {good, `"https:///update"`, ":1: update_url: ", "host"},
		"port alone":        {good, `"https://:443/update"`, ":1: update_url: ", "host"},
		"opaque":            {good, `"https:update"`, ":1: update_url: ", "host"},
		"not a URL":         {good, `"https://a b/"`, ":1: update_url: ", "not a URL"},
		"wrong escape":      {good, `"https://a/%zz"`, ":1: update_url: ", "not a URL"},
		"port no number":    {good, `"https://a:https/"`, ":1: update_url: ", "not a URL"},
		"line break":        {good, `"https://a/\nb"`, ":1: update_url: ", "not a URL"},
		"NUL":               {good, `"https://a/\u0000"`, ":1: update_url: ", "not a URL"},
		"user":              {good, `"https://me@example.org/"`, ":1: update_url: ", "user name or password"},
		"password":          {good, `"https://me:hunter2@example.org/"`, ":1: update_url: ", "user name or password"},
		"empty user":        {good, `"https://@example.org/"`, ":1: update_url: ", "user name or password"},
		"query":             {good, `"https://example.org/?a=b"`, ":1: update_url: ", "a path"},
		"empty query":       {good, `"https://example.org/?"`, ":1: update_url: ", "a path"},
		"fragment":          {good, `"https://example.org/#a"`, ":1: update_url: ", "a path"},
		"empty fragment":    {good, `"https://example.org/#"`, ":1: update_url: ", "a path"},
		"dist_url is wrong": {"https://update.clip-os.org/dist", "ftp://x", ":2: dist_url: ", "https://"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			changed := strings.Replace(clipOSRemote, c.old, c.text, 1)
			if changed == clipOSRemote {
				t.Fatalf("%q is not there", c.old)
			}
			s.write(file, changed)
			_, err := Load(s.paths)
			s.refused(err, file+c.place, c.why)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
}

func TestLoadRefusesKeyAndRoots(t *testing.T) {
	const pubkey, rootca = "/usr/lib/updater/pubkey", "/etc/updater/rootca.pem"
	base64Line := strings.Split(keys.Public(), "\n")[1]
	for name, c := range map[string]struct{ file, text, why string }{
		"key empty":             {pubkey, "", "empty"},
		"key of blank lines":    {pubkey, "\n\n", "empty"},
		"key garbage":           {pubkey, "garbage\n", "base64"},
		"key cut short":         {pubkey, base64Line[:40] + "\n", "base64"},
		"two keys":              {pubkey, base64Line + "\n" + base64Line + "\n", "public key"},
		"two key files in one":  {pubkey, keys.Public() + keys.Public(), "public key"},
		"secret key":            {pubkey, keys.Secret(), "public key"},
		"key of a megabyte":     {pubkey, strings.Repeat("A", 1<<20), "at most"},
		"roots empty":           {rootca, "", "no certificate"},
		"roots garbage":         {rootca, "garbage", "no certificate"},
		"roots hold a key only": {rootca, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no certificate"},
		"certificate of nought": {rootca, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"},
		"roots over a megabyte": {rootca, strings.Repeat("\n", 1<<20+1), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write(c.file, c.text)
			_, err := Load(s.paths)
			s.refused(err, c.file+": ", c.why)
		})
	}
}

func TestLoadRefusesMissing(t *testing.T) {
	for _, file := range []string{
		"/usr/lib/updater/config.toml", "/usr/lib/updater/pubkey", "/etc/updater/remote.toml", "/etc/updater/rootca.pem",
		"/etc/os-release", "/etc/machine-id", "/usr/lib/updater", "/etc/updater",
	} {
		t.Run(file, func(t *testing.T) {
			s := configured(t)
			if err := os.RemoveAll(s.paths.At(file)); err != nil {
				t.Fatal(err)
			}
			_, err := Load(s.paths)
			s.refused(err, "open "+file, "no such file or directory")
		})
	}
}

// Every key is found with its line, however it is written.
func TestDocumentKeys(t *testing.T) {
	d := document{"f.toml", []byte(`a = 1
b.c = "x"
"d.e".f = ["x", { y = 1 }]

[t]
g = { h = 1,
  i.j = { k = 2 } }
[t.'u']
l = '''

'''
m = 1979-05-27
[[n]]
o = []
`)}
	want := []keyLine{
		{"a", 1},
		{"b.c", 2},
		{"d.e.f", 3},
		{"t", 5},
		{"t.g", 6},
		{"t.g.h", 6},
		{"t.g.i.j", 7},
		{"t.g.i.j.k", 7},
		{"t.u", 8},
		{"t.u.l", 9},
		{"t.u.m", 12},
		{"n", 13},
		{"n.o", 14},
	}
	if got := d.keys(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := d.lineOf("t.u.m"); got != 12 {
		t.Errorf("line %d", got)
	}
	if got := d.lineOf("missing"); got != 0 {
		t.Errorf("line %d", got)
	}
}

// Whatever stands in a file's place is refused without waiting for it.
func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	for _, file := range []string{
		"/usr/lib/updater/config.toml", "/usr/lib/updater/pubkey", "/etc/updater/remote.toml", "/etc/updater/rootca.pem",
		"/etc/os-release", "/etc/machine-id",
	} {
		for kind, plant := range map[string]func(path string) error{
			"FIFO":   func(path string) error { return unix.Mkfifo(path, 0o600) },
			"folder": func(path string) error { return os.Mkdir(path, 0o755) },
			"device": func(path string) error { return os.Symlink("/dev/zero", path) },
		} {
			t.Run(kind+" for "+filepath.Base(file), func(t *testing.T) {
				s := configured(t)
				if err := errors.Join(os.Remove(s.paths.At(file)), plant(s.paths.At(file))); err != nil {
					t.Fatal(err)
				}
				soon(t, func() {
					_, err := Load(s.paths)
					s.refused(err, file+": ", "not a regular file")
				})
			})
		}
	}
}
