// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/clipos/updater/policy"
)

// settings are the keys there are, those that are needed first.
var (
	systemKeys = []string{
		"os_name", "core.destination", "core.size", "efiboot.destination",
		"core.backend", "efiboot.boot_tries", "efiboot.boot_order",
		"trust.prehashed_only", "trust.content_binding", "trust.root_hash_parameter", "fetch.socket",
	}
	remoteKeys = []string{"update_url", "dist_url"}
	policyKeys = []string{"mode", "interval", "first_check", "windows", "require_ac_power", "allow_metered", "stale_after"}
)

// flat reads a document another way than the code does: into maps, whose keys
// are exactly what is written.
func flat(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var document map[string]any
	if err := toml.Unmarshal(data, &document); err != nil {
		t.Fatalf("accepted, but not TOML: %v", err)
	}
	all := map[string]any{}
	for key, value := range document {
		table, isTable := value.(map[string]any)
		if !isTable {
			all[key] = value
		}
		for k, v := range table {
			all[key+"."+k] = v
		}
	}
	return all
}

func checkKeys(t *testing.T, got map[string]any, needed, known []string) {
	t.Helper()
	for _, k := range needed {
		if s, isText := got[k].(string); !isText || s == "" {
			t.Errorf("accepted without %s", k)
		}
	}
	for k := range maps.Keys(got) {
		if !slices.Contains(known, k) {
			t.Errorf("accepted with %q", k)
		}
	}
}

// checkMessage: an error says where in one printable line.
func checkMessage(t *testing.T, err error, file string) {
	t.Helper()
	text := err.Error()
	if !strings.HasPrefix(text, file+":") || len(text) > 600 || strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		t.Errorf("error %q", text)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(clipOSConfig))
	f.Add([]byte("os_name = \"a\"\ncore = { destination = \"/v\", size = \"1.5g\", backend = \"directory\" }\nefiboot.destination = \"/e\"\n"))
	f.Add([]byte(clipOSConfig + "boot_tries = 3\nboot_order = \"refuse\"\n[trust]\nprehashed_only = false\nroot_hash_parameter = \"a-b\"\n"))
	f.Add([]byte("[core]\nSize = \"4G\"\nsize = \"5G\"\n"))
	f.Add([]byte("[[core]]\n\"a\\u001b\" = 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Config
		if err := c.parseSystem(Paths{Root: "/"}, document{"config.toml", data}); err != nil {
			checkMessage(t, err, "config.toml")
			return
		}
		got := flat(t, data)
		checkKeys(t, got, systemKeys[:4], systemKeys)
		if c.OSName != got["os_name"] || strings.Trim(c.OSName, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || c.OSName[0] == '-' {
			t.Errorf("os_name %q", c.OSName)
		}
		if c.Core.SizeBytes <= 0 || c.Core.SizeBytes%512 != 0 {
			t.Errorf("size %d", c.Core.SizeBytes)
		}
		if c.Core.Directory != (got["core.backend"] == "directory") || c.Core.Directory != filepath.IsAbs(c.Core.Destination) ||
			!c.Core.Directory && (c.Core.Destination != got["core.destination"] || strings.ContainsAny(c.Core.Destination[:1], "-/")) {
			t.Errorf("destination %q, directory %v", c.Core.Destination, c.Core.Directory)
		}
		if !filepath.IsAbs(c.EFIBoot.Destination) || strings.ContainsRune(c.Core.Destination+c.EFIBoot.Destination, 0) {
			t.Errorf("destinations %q and %q", c.Core.Destination, c.EFIBoot.Destination)
		}
		if n, found := got["efiboot.boot_tries"].(int64); found && int64(c.EFIBoot.BootTries) != n || c.EFIBoot.BootTries < 0 || c.EFIBoot.BootTries > 99 {
			t.Errorf("boot_tries %d", c.EFIBoot.BootTries)
		}
		if c.Trust.PrehashedOnly == (got["trust.prehashed_only"] == false) || c.Trust.ContentBinding == (got["trust.content_binding"] == false) {
			t.Errorf("trust %+v", c.Trust)
		}
	})
}

func FuzzRemote(f *testing.F) {
	f.Add([]byte(clipOSRemote))
	f.Add([]byte("update_url = \"https://[::1]:8443//\"\r\ndist_url = 'HTTPS://example.org/a%20b/'\r\n"))
	f.Add([]byte("update_url = \"https://me:secret@example.org/?a#b\"\ndist_url = \"http://x\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Config
		if err := c.parseRemote(document{"remote.toml", data}); err != nil {
			checkMessage(t, err, "remote.toml")
			return
		}
		checkKeys(t, flat(t, data), remoteKeys, remoteKeys)
		for _, s := range []string{c.UpdateURL, c.DistURL} {
			u, err := url.Parse(s + "/clipos/version")
			if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
				strings.HasSuffix(s, "/") || !strings.HasSuffix(u.Path, "/clipos/version") {
				t.Errorf("%q: %+v, %v", s, u, err)
			}
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte("mode = \"install\"\ninterval = \"24h\"\nfirst_check = \"5m\"\nwindows = []\nrequire_ac_power = false\n" +
		"allow_metered = false\nstale_after = \"336h\"\n"))
	f.Add([]byte("mode = \"fetch\"\ninterval = \"1m\"\nwindows = [\"Mon..Fri 22:00-06:00\", \"Sat,Sun 00:00-24:00 UTC\"]\nrequire_ac_power = true\n"))
	f.Add([]byte("Mode = \"check\"\nfirst_check = \"1.5h\"\n"))
	f.Add([]byte("windows = [\"Sat 1:00-2:00\"]\ninterval = \"-1h\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRules(document{"policy.toml", data})
		if err != nil {
			checkMessage(t, err, "policy.toml")
			return
		}
		got := flat(t, data)
		checkKeys(t, got, nil, policyKeys)
		if want, found := got["mode"]; found && string(r.Mode) != want || !found && r.Mode != policy.ModeInstall {
			t.Errorf("mode %q, the document says %v", r.Mode, want)
		}
		if r.Interval < minInterval || r.StaleAfter < minInterval || r.FirstCheck < 0 || max(r.Interval, r.FirstCheck, r.StaleAfter) > maxDuration {
			t.Errorf("interval %s, first check %s, stale after %s", r.Interval, r.FirstCheck, r.StaleAfter)
		}
		// What loosens is on only when the document says so.
		if r.AllowMetered != (got["allow_metered"] == true) || r.RequireACPower != (got["require_ac_power"] == true) {
			t.Errorf("%+v, the document says %v", r, got)
		}
		if windows, _ := got["windows"].([]any); len(r.Windows) != len(windows) || len(windows) > maxWindows {
			t.Errorf("%d windows, the document has %d", len(r.Windows), len(windows))
		}
	})
}

// FuzzMachineID: what is sent to the server is 32 digits, and all of the file.
func FuzzMachineID(f *testing.F) {
	for _, s := range []string{
		machineID, machineID + "\n", strings.ToUpper(machineID) + "\n", "", "uninitialized\n", machineID + "\r\n", machineID + "\nx: y\n", "\uFEFF" + machineID,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := parseMachineID(text)
		if err != nil {
			if id != "" || strings.ContainsFunc(err.Error(), func(r rune) bool { return !strconv.IsPrint(r) }) {
				t.Errorf("%q, error %q", id, err)
			}
			return
		}
		if number, err := hex.DecodeString(id); err != nil || len(number) != 16 {
			t.Errorf("%q: %v", id, err)
		}
		if s := string(text); s != id && s != id+"\n" {
			t.Errorf("%q becomes %q", text, id)
		}
	})
}

// FuzzRecord: what was read can be written, is then always written the same,
// and says the same when it is read again.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"highest_good":"5.0.0-alpha.3","last_check":"2026-03-01T12:00:00.123456789Z","failed_checks":7,` +
		`"unfinished":{"id":"7","version":"5.0.0","started":"2026-03-01T12:00:00+01:00"},"failed_versions":["4.9.9"],` +
		`"hold":{"reason":"audit","until":"2026-12-24T18:00:00Z"},"rolled_back":{"from":"5.0.0","to":"4.9.0"}}`))
	f.Add([]byte(`{"history":[{"transaction":"1","version":"5.0.0","from":"4.9.9","started":"2026-03-01T12:00:00Z",` +
		`"finished":"2026-03-01T12:01:00Z","result":"failed","error":"TooSlow","message":"\u001b[31m","bytes":1}]}`))
	for _, s := range []string{"{}", "null", "", "[]", `{"highest_good":"5.0.0+1"}`, `{"highest_good":"5.0.0"}{}`, `{"failed_checks":-1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data)
		if err != nil {
			if !reflect.DeepEqual(r, Record{}) {
				t.Errorf("%+v, error %v", r, err)
			}
			return
		}
		if r.HighestGood != "" && r.highestGood().String() != r.HighestGood {
			t.Errorf("highest good version %q counts as %q", r.HighestGood, r.highestGood())
		}
		written, err := r.encode()
		if err != nil {
			t.Fatalf("read, but cannot be written: %v", err)
		}
		again, err := parseRecord(written)
		if err != nil {
			t.Fatalf("written, but cannot be read: %v", err)
		}
		if twice, err := again.encode(); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("written %s, then %s, %v", written, twice, err)
		}
		if clone := r.clone(); !reflect.DeepEqual(clone, r) {
			t.Errorf("a clone is %+v, not %+v", clone, r)
		}
	})
}

func FuzzVersionDocument(f *testing.F) {
	for _, s := range []string{
		"version = \"5.0.0-alpha.3\"\n", "channel = \"beta\"\r\nversion = \"5.0.0-alpha.3\"\r\n", "version = '5.0.0'", "\"version\" = \"5.0.0\"",
		"Version = \"5.0.0\"\n", "version = \"5.0.0\"\nversion = \"5.0.1\"\n", "[version]\nversion = \"5.0.0\"\n", "version = 5.0\n",
		"\uFEFFversion = \"5.0.0\"\n", "version = \"5.0.0+1\"\n", "version = \"../../etc\"\n", "<html>", "version = \"5.0.0\\r\\n\"\n", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseVersionDocument(data)
		if err != nil {
			if !errors.Is(err, ErrInvalidVersion) || !v.IsZero() || strings.ContainsFunc(err.Error(), func(r rune) bool { return !strconv.IsPrint(r) }) || len(err.Error()) > 600 {
				t.Errorf("%q, error %q", v, err)
			}
			return
		}
		if got := flat(t, data)["version"]; got != v.String() {
			t.Errorf("the document says %v, %q was read", got, v)
		}
		if _, err := policy.ParseVersion(v.String()); err != nil {
			t.Error(err)
		}
	})
}

func FuzzCommandLine(f *testing.F) {
	hash, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	f.Add("root=/dev/mapper/verity_core_5.0.0-alpha.3 rootfstype=squashfs rd.lvm.vg=mainvg rd.verity.device=/dev/mainvg/core_5.0.0-alpha.3 "+
		"rd.verity.name=verity_core_5.0.0-alpha.3 rd.verity.roothash="+hash+" rd.verity.hashoffset=8192 rd.verity.fecoffset=16384 mds=full,nosmt", uint64(8192))
	f.Add("root=/dev/mapper/root ro roothash="+hash+" systemd.verity_root_data=/dev/mainvg/core_5.0.0-alpha.3 "+
		"systemd.verity_root_options=hash-offset=8192,panic-on-corruption,fec-device=/dev/mainvg/core_5.0.0-alpha.3,fec-offset=1", uint64(8192))
	f.Add(`"root=/dev/mapper/main--vg-core_5.0.0--alpha.3" x='y roothash=`+other+`'`, uint64(1))
	f.Fuzz(func(t *testing.T, text string, sizeBytes uint64) {
		const name = "core_5.0.0-alpha.3"
		line := parseCommandLine(text)
		unquoted := strings.NewReplacer(`"`, "", "'", "").Replace(text)
		if err := checkVolumeName(line, name); err == nil {
			if !strings.Contains(unquoted, name) && !strings.Contains(unquoted, "core_5.0.0--alpha.3") {
				t.Errorf("%q does not name %s", text, name)
			}
			for _, also := range []string{"a=/dev/vg/core_5.0.0-alpha.30", `"a=core_5.0.0-alpha.1"`, "a=b,core_5.0.0-alpha.3.1,c"} {
				if checkVolumeName(parseCommandLine(text+" "+also), name) == nil || checkVolumeName(parseCommandLine(also+" "+text), name) == nil {
					t.Errorf("%q is accepted with %s", text, also)
				}
			}
		}
		c := &Config{}
		if found, err := c.rootHash(line); err == nil {
			if found == "" || strings.Trim(found, "0123456789abcdef") != "" || !strings.Contains(strings.ToLower(unquoted), found) {
				t.Errorf("%q has root hash %q", text, found)
			}
			for _, key := range rootHashParameters {
				if _, err := c.rootHash(parseCommandLine(text + fmt.Sprintf(" %q", key+"="+found+"00"))); err == nil {
					t.Errorf("%q is accepted with another %s", text, key)
				}
			}
		}
		if offset, err := hashOffset(line, bytes.NewReader(squashfs(sizeBytes))); err == nil && sizeBytes < 1<<62 && uint64(offset) < sizeBytes {
			t.Errorf("%q: hash offset %d in a file system of %d bytes", text, offset, sizeBytes)
		}
	})
}
