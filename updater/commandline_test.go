// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/test/release"
)

func TestCheckVolumeName(t *testing.T) {
	const name = "core_5.0.0-alpha.3"
	for text, why := range map[string]string{ // "": accepted
		"root=/dev/mainvg/core_5.0.0-alpha.3":                              "",
		"root=mainvg/core_5.0.0-alpha.3":                                   "",
		"root=core_5.0.0-alpha.3":                                          "",
		"root=/dev/mapper/mainvg-core_5.0.0--alpha.3":                      "",
		"root=/dev/mapper/main--vg-core_5.0.0--alpha.3":                    "",
		"root=/dev/mapper/verity_core_5.0.0-alpha.3":                       "",
		"root=/dev/disk/by-id/dm-name-mainvg-core_5.0.0--alpha.3":          "",
		"rd.verity.name=verity_core_5.0.0-alpha.3":                         "",
		`root="/dev/mainvg/core_5.0.0-alpha.3"`:                            "",
		`"root=/dev/mainvg/core_5.0.0-alpha.3"`:                            "",
		"root='/dev/mainvg/core_5.0.0-alpha.3'":                            "",
		"o=hash-offset=4,fec-device=/dev/mainvg/core_5.0.0-alpha.3,fec=1":  "",
		"a=/dev/mainvg/core_5.0.0-alpha.3:/dev/mainvg/core_5.0.0-alpha.3":  "",
		"a=core_5.0.0-alpha.3 b=verity_core_5.0.0-alpha.3":                 "",
		"root=core_5.0.0-alpha.3 state=/dev/mainvg/core_state":             "",
		"root=core_5.0.0-alpha.3 resume=/dev/mapper/mainvg-core_swap":      "",
		"root=core_5.0.0-alpha.3 x=xcore_5.0.0-alpha.1":                    "",
		"root=core_5.0.0-alpha.3 x=score_1":                                "",
		"":                                                                 "does not name",
		"quiet":                                                            "does not name",
		"root=/dev/mapper/root":                                            "does not name",
		"core_5.0.0-alpha.3":                                               "does not name",
		"core_5.0.0-alpha.3=root":                                          "does not name",
		"root=xcore_5.0.0-alpha.3":                                         "does not name",
		"root=/dev/mainvg/my.core_5.0.0-alpha.3":                           "does not name",
		"root=/dev/mainvg/Core_5.0.0-alpha.3":                              "does not name",
		"root=/dev/mainvg/core-5.0.0-alpha.3":                              "does not name",
		"root=/dev/mainvg/core_state":                                      "does not name",
		"root=/dev/mainvg/core_5.0.0-alpha.1":                              `"core_5.0.0-alpha.1"`,
		"root=/dev/mainvg/core_5.0.0-alpha.30":                             `"core_5.0.0-alpha.30"`,
		"root=/dev/mainvg/core_5.0.0-alpha":                                `"core_5.0.0-alpha"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3.1":                            `"core_5.0.0-alpha.3.1"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3-1":                            `"core_5.0.0-alpha.3-1"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3+1":                            `"core_5.0.0-alpha.3+1"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3_old":                          `"core_5.0.0-alpha.3_old"`,
		"root=/dev/mapper/mainvg-core_5.0.0--alpha.30":                     `"core_5.0.0--alpha.30"`,
		"root=/dev/mapper/mainvg-core_5.0.0---alpha.3":                     `"core_5.0.0---alpha.3"`,
		"root=/dev/mainvg/core_":                                           `"core_"`,
		"root=/dev/mainvg/core_latest":                                     `"core_latest"`,
		"root=/dev/mainvg/core_state2":                                     `"core_state2"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3 b=core_5.0.0-alpha.1":         `"b" names volume "core_5.0.0-alpha.1"`,
		"b=core_5.0.0-alpha.1 root=/dev/mainvg/core_5.0.0-alpha.3":         `"b" names volume "core_5.0.0-alpha.1"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3/../core_5.0.0-alpha.1":        `"core_5.0.0-alpha.1"`,
		"root=xcore_/core_5.0.0-alpha.1 b=core_5.0.0-alpha.3":              `"core_5.0.0-alpha.1"`,
		"root=xcore_5-core_5.0.0-alpha.1 b=core_5.0.0-alpha.3":             `"core_5.0.0-alpha.1"`,
		"a=core_5.0.0-alpha.3,core_5.0.0-alpha.1":                          `"core_5.0.0-alpha.1"`,
		"a=LABEL=core_5.0.0-alpha.1 b=core_5.0.0-alpha.3":                  `"core_5.0.0-alpha.1"`,
		`root="/dev/mainvg/core_5.0.0-alpha.3" b="core_5.0.0-alpha.1"`:     `"core_5.0.0-alpha.1"`,
		`root=/dev/mainvg/core_5.0.0-alpha.3 x="y b=core_5.0.0-alpha.1 z"`: `"core_5.0.0-alpha.1"`,
		`root=/dev/mainvg/co"re_5.0.0-alpha.1" b=core_5.0.0-alpha.3`:       `"core_5.0.0-alpha.1"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3\x00":                          `"core_5.0.0-alpha.3\x00"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3\x00/core_5.0.0-alpha.1":       `"core_5.0.0-alpha.3\x00"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3é":                             `"core_5.0.0-alpha.3é"`,
		"root=/dev/mainvg/core_5.0.0-alpha.3\x7f":                          `"core_5.0.0-alpha.3\x7f"`,
		"root=/dev/mainvg/core_" + strings.Repeat("5", 1<<12):              `"core_555`,
	} {
		err := checkVolumeName(parseCommandLine(text), name)
		if why == "" && err != nil {
			t.Errorf("%.80q: %v", text, err)
		}
		if why != "" && (err == nil || !strings.Contains(err.Error(), why) || len(err.Error()) > 250) {
			t.Errorf("%.80q: error %v, want %s", text, err, why)
		}
	}
}

func TestRootHash(t *testing.T) {
	a, b := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	for text, want := range map[string]string{ // a hash, or what the error says
		"rd.verity.roothash=" + a:                           a,
		"roothash=" + a:                                     a,
		"rd.roothash=" + a:                                  a,
		"roothash=" + strings.ToUpper(a):                    a,
		"roothash=" + a + " roothash=" + a:                  a,
		"roothash=" + a + " rd.verity.roothash=" + a:        a,
		"roothash=" + a + " roothash=" + strings.ToUpper(a): a,
		`roothash="` + a + `"`:                              a,
		`"roothash=` + a + `"`:                              a,
		"roothash='" + a + "'":                              a,
		"quiet\troothash=" + a + "\nro":                     a,
		"roothash=" + a + " usrhash=" + b:                   a,
		"":                                                  "no root hash",
		"quiet ro":                                          "no root hash",
		"xroothash=" + a:                                    "no root hash",
		"roothash.x=" + a:                                   "no root hash",
		"Roothash=" + a:                                     "no root hash",
		"my.root-hash=" + a:                                 "no root hash",
		"roothash":                                          "not hexadecimal",
		"roothash=":                                         "not hexadecimal",
		`roothash=""`:                                       "not hexadecimal",
		"roothash=xyz":                                      "not hexadecimal",
		"roothash=abc":                                      "not hexadecimal",
		"roothash=0x" + a:                                   "not hexadecimal",
		"roothash=" + a + "=":                               "not hexadecimal",
		"roothash=" + a + "\x00":                            "not hexadecimal",
		"roothash=" + strings.Repeat("x", 1<<12):            "not hexadecimal",
		"roothash=" + a + " roothash=" + b:                  "two root hashes that differ",
		"roothash=" + a + " rd.verity.roothash=" + b:        "two root hashes that differ",
		"roothash=" + a + " rd.roothash=" + b:               "two root hashes that differ",
		"roothash=" + a + " roothash=" + a + " roothash=" + b:       "two root hashes that differ",
		"roothash=" + a + " roothash=":                              "two root hashes that differ",
		"roothash=" + a + " roothash=" + a[:62]:                     "two root hashes that differ",
		"roothash=" + a + ` "roothash=` + b + `"`:                   "two root hashes that differ",
		"roothash=" + a + ` x="y roothash=` + b + ` z"`:             "two root hashes that differ",
		"roothash=" + a + " x='y roothash=" + b + " z'":             "two root hashes that differ",
		"roothash=" + a + ` root"hash"=` + b:                        "two root hashes that differ",
		"roothash=" + a + " roothash=\x1b[31m":                      `"\x1b[31m"`,
		"roothash=" + a + " roothash=" + strings.Repeat("c", 1<<12): "two root hashes that differ",
	} {
		checkRootHash(t, &Config{}, text, want)
	}
	c := &Config{System: System{Trust: TrustConfig{RootHashParameter: "my.root-hash"}}}
	for text, want := range map[string]string{
		"my.root-hash=" + a:                        a,
		"my.root_hash=" + a:                        a,
		"roothash=" + a:                            a,
		"my.root-hash=" + a + " roothash=" + a:     a,
		"my.root-hash=" + a + " roothash=" + b:     "two root hashes that differ",
		"my.root-hash=" + a + " my.root_hash=" + b: "two root hashes that differ",
		"my.roothash=" + a:                         "no root hash",
	} {
		checkRootHash(t, c, text, want)
	}
}

func checkRootHash(t *testing.T, c *Config, text, want string) {
	t.Helper()
	hash, err := c.rootHash(parseCommandLine(text))
	switch {
	case err == nil && hash != want:
		t.Errorf("%.120q: %q, want %q", text, hash, want)
	case err != nil && (hash != "" || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\x00\x1b")):
		t.Errorf("%.120q: %q, error %q, want %q", text, hash, err, want)
	}
}

// squashfs is the beginning of an image whose file system has that many bytes.
func squashfs(sizeBytes uint64) []byte {
	super := make([]byte, 96)
	copy(super, "hsqs")
	binary.LittleEndian.PutUint16(super[28:], 4)
	binary.LittleEndian.PutUint64(super[40:], sizeBytes)
	return super
}

func TestHashOffset(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		size  uint64
		bytes int64
		why   string
	}{
		"said by no one":             {"quiet", 8192, 8192, ""},
		"on the next block":          {"", 8193, 12288, ""},
		"less than a block":          {"", 100, 4096, ""},
		"said by CLIP OS":            {"rd.verity.hashoffset=16384", 8192, 16384, ""},
		"right behind":               {"rd.verity.hashoffset=8192", 8192, 8192, ""},
		"not on a block":             {"rd.verity.hashoffset=8704", 8192, 8704, ""},
		"said twice":                 {"rd.verity.hashoffset=16384 rd.verity.hashoffset=16384", 8192, 16384, ""},
		"quoted":                     {`rd.verity.hashoffset="16384"`, 8192, 16384, ""},
		"said by systemd":            {"systemd.verity_root_options=panic-on-corruption,hash-offset=16384,x", 8192, 16384, ""},
		"said with a hyphen":         {"systemd.verity-root-options=hash-offset=16384", 8192, 16384, ""},
		"said in the initrd":         {"rd.systemd.verity_root_options=hash-offset=16384", 8192, 16384, ""},
		"said by both":               {"systemd.verity_root_options=hash-offset=16384 rd.verity.hashoffset=16384", 8192, 16384, ""},
		"options without":            {"systemd.verity_root_options=panic-on-corruption,xhash-offset=16384", 8192, 8192, ""},
		"options of another":         {"systemd.verity_usr_options=hash-offset=16384", 8192, 8192, ""},
		"said twice differently":     {"rd.verity.hashoffset=16384 rd.verity.hashoffset=20480", 8192, 0, "two hash offsets"},
		"said by both differently":   {"systemd.verity_root_options=hash-offset=16384 rd.verity.hashoffset=20480", 8192, 0, "two hash offsets"},
		"in the options, twice":      {"systemd.verity_root_options=hash-offset=16384,hash-offset=20480", 8192, 0, "two hash offsets"},
		"inside the file system":     {"rd.verity.hashoffset=8191", 8192, 0, "inside the file system"},
		"at the beginning":           {"rd.verity.hashoffset=0", 8192, 0, "inside the file system"},
		"negative":                   {"rd.verity.hashoffset=-4096", 8192, 0, "inside the file system"},
		"empty":                      {"rd.verity.hashoffset=", 8192, 0, "not a number"},
		"without value":              {"rd.verity.hashoffset", 8192, 0, "not a number"},
		"hexadecimal":                {"rd.verity.hashoffset=0x4000", 8192, 0, "not a number"},
		"with a unit":                {"rd.verity.hashoffset=16K", 8192, 0, "not a number"},
		"with decimals":              {"rd.verity.hashoffset=16384.0", 8192, 0, "not a number"},
		"more than 64 bits":          {"rd.verity.hashoffset=99999999999999999999", 8192, 0, "not a number"},
		"raw text":                   {"rd.verity.hashoffset=\x1b[31m", 8192, 0, `"\x1b[31m"`},
		"long text":                  {"rd.verity.hashoffset=" + strings.Repeat("9", 1<<12), 8192, 0, "not a number"},
		"file system of no size":     {"rd.verity.hashoffset=4096", 0, 0, "core: "},
		"file system without an end": {"rd.verity.hashoffset=4096", 1 << 63, 0, "core: "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := hashOffset(parseCommandLine(c.line), bytes.NewReader(squashfs(c.size)))
			if got != c.bytes || (err == nil) != (c.why == "") {
				t.Errorf("%d, %v, want %d", got, err, c.bytes)
			}
			if err != nil && (!strings.Contains(err.Error(), c.why) || len(err.Error()) > 200 || strings.Contains(err.Error(), "\x1b")) {
				t.Errorf("error %q, want %q", err, c.why)
			}
		})
	}
	if _, err := hashOffset(nil, bytes.NewReader(make([]byte, 4096))); err == nil || !strings.HasPrefix(err.Error(), "core: ") {
		t.Errorf("what is no file system: error %v", err)
	}
}

// What releases really say, in all the ways in which they are built.
func TestUpdateStyles(t *testing.T) {
	for name, o := range map[string]release.Options{
		"CLIP OS as it is":               {},
		"CLIP OS, group with a hyphen":   {Group: "main-vg"},
		"CLIP OS with EROFS":             {FileSystem: release.EROFS, NoErrorCorrection: true},
		"systemd":                        {Style: release.StyleSystemd},
		"systemd without correction":     {Style: release.StyleSystemd, NoErrorCorrection: true},
		"systemd with EROFS":             {Style: release.StyleSystemd, FileSystem: release.EROFS},
		"systemd, legacy signatures too": {Style: release.StyleSystemd, NoErrorCorrection: true, Legacy: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.has("5.0.0-alpha.0")
			if o.Legacy {
				s.configure("", "prehashed_only = false")
			}
			o.Version = "5.0.0-alpha.3"
			built, err := release.Build(t.Context(), s.webroot, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.update(); err != nil {
				t.Fatal(err)
			}
			s.holds("/volumes/core_5.0.0-alpha.3", built.Core)
			s.holds("/mnt/efiboot/EFI/Linux/clipos-5.0.0-alpha.3.efi", built.Efiboot)
			if got := names(t, s.paths.At("/volumes")); !slices.Equal(got, []string{"core_5.0.0-alpha.1", "core_5.0.0-alpha.3", "core_state", "core_swap"}) {
				t.Errorf("volumes %q", got)
			}
		})
	}
}

// The same, with one thing wrong.
func TestUpdateStylesRefused(t *testing.T) {
	for name, wrong := range map[string]release.Wrong{
		"another volume":    {Volume: "core_5.0.0-alpha.30"},
		"another root hash": {RootHash: strings.Repeat("ab", 32)},
		"two root hashes":   {AlsoRootHash: strings.Repeat("ab", 32)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.has("5.0.0-alpha.0")
			build(release.Options{Style: release.StyleSystemd, FileSystem: release.EROFS, Wrong: wrong})(s)
			before := s.disk()
			if err := s.update(); !errors.Is(err, ErrContentMismatch) {
				t.Errorf("error %v, want %v", err, ErrContentMismatch)
			}
			s.sameDisk(before)
		})
	}
}

// holds asserts that a file begins with another's content and has zeros behind.
func (s *system) holds(path, content string) {
	s.t.Helper()
	got, err := os.ReadFile(s.paths.At(path))
	if err != nil {
		s.t.Fatal(err)
	}
	want, err := os.ReadFile(content)
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.HasPrefix(got, want) || len(bytes.Trim(got[len(want):], "\x00")) > 0 {
		s.t.Errorf("%s is not %s followed by zeros", path, content)
	}
}
