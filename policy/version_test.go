// SPDX-License-Identifier: LGPL-2.1-or-later

package policy_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipos/updater/policy"
)

func version(t *testing.T, s string) policy.Version {
	t.Helper()
	v, err := policy.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var acceptedVersions = []string{
	"0.0.0",
	"5.0.0",
	"5.0.0-alpha.3",
	"5.0.0-beta.3",
	"5.0.0-rc.1",
	"10.20.30",
	"999999999.999999999.999999999",
	"5.0.0-0",
	"5.0.0-999999999",
	"5.0.0--",
	"5.0.0-a-b",
	"5.0.0-0a",
	"5.0.0-00a",
	"5.0.0-x1234567890",
	"5.0.0-" + strings.Repeat("a", 58),
}

var refusedVersions = map[string]struct{ text, why string }{
	"empty":                  {"", "not a semantic version"},
	"space":                  {" ", "not a semantic version"},
	"leading space":          {" 5.0.0", "not a semantic version"},
	"trailing space":         {"5.0.0 ", "not a semantic version"},
	"line break":             {"5.0.0\n", "not a semantic version"},
	"carriage return":        {"5.0.0\r\n", "not a semantic version"},
	"NUL":                    {"5.0.0\x00", "not a semantic version"},
	"NUL in the pre-release": {"5.0.0-a\x00b", "not a semantic version"},
	"one number":             {"5", "not a semantic version"},
	"two numbers":            {"5.0", "not a semantic version"},
	"four numbers":           {"5.0.0.0", "not a semantic version"},
	"v before it":            {"v5.0.0", "not a semantic version"},
	"negative":               {"-5.0.0", "not a semantic version"},
	"leading zero":           {"05.0.0", "not a semantic version"},
	"leading zero in patch":  {"5.0.00", "not a semantic version"},
	"leading zero behind -":  {"5.0.0-alpha.03", "not a semantic version"},
	"empty number":           {"5..0", "not a semantic version"},
	"empty pre-release":      {"5.0.0-", "not a semantic version"},
	"empty identifier":       {"5.0.0-alpha..1", "not a semantic version"},
	"ends in a dot":          {"5.0.0-alpha.", "not a semantic version"},
	"hexadecimal":            {"0x5.0.0", "not a semantic version"},
	"digits of other script": {"٥.0.0", "not a semantic version"},
	"underscore":             {"5.0.0-alpha_3", "not a semantic version"},
	"percent":                {"5.0.0-%2e%2e", "not a semantic version"},
	"slash":                  {"5.0.0/../6.0.0", "not a semantic version"},
	"backslash":              {`5.0.0\6`, "not a semantic version"},
	"path":                   {"../../etc", "not a semantic version"},
	"path in pre-release":    {"5.0.0-a/../../etc", "not a semantic version"},
	"question mark":          {"5.0.0-a?b", "not a semantic version"},
	"fragment":               {"5.0.0-a#b", "not a semantic version"},
	"colon":                  {"5.0.0:80", "not a semantic version"},
	"not UTF-8":              {"5.0.0-\xff", "capital letters"},
	"build metadata":         {"5.0.0+1", "build metadata"},
	"pre-release and build":  {"5.0.0-alpha.3+3-0", "build metadata"},
	"empty build metadata":   {"5.0.0+", "build metadata"},
	"capital":                {"5.0.0-RC.1", "capital letters"},
	"capital of other kind":  {"5.0.0-É", "capital letters"},
	"kelvin sign":            {"5.0.0-\u212A", "capital letters"},
	"ten digits":             {"1000000000.0.0", "more than 9 digits"},
	"ten digits in the end":  {"5.0.0-alpha.1000000000", "more than 9 digits"},
	"ten digits behind -":    {"5.0.0-a-1000000000", "more than 9 digits"},
	"a hundred digits":       {"5.0.0-" + strings.Repeat("1", 50), "more than 9 digits"},
	"65 bytes":               {"5.0.0-" + strings.Repeat("a", 59), "longer than 64 bytes"},
	"a megabyte":             {strings.Repeat("5", 1<<20), "longer than 64 bytes"},
}

func TestParseVersion(t *testing.T) {
	for _, s := range acceptedVersions {
		v, err := policy.ParseVersion(s)
		if err != nil || v.String() != s || v.IsZero() {
			t.Errorf("%q: %q, %v", s, v, err)
		}
	}
	for name, c := range refusedVersions {
		t.Run(name, func(t *testing.T) {
			v, err := policy.ParseVersion(c.text)
			if !errors.Is(err, policy.ErrInvalidVersion) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("error %v, want %v because of %s", err, policy.ErrInvalidVersion, c.why)
			}
			if err != nil && (len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\x00\r\n") || !utf8.ValidString(err.Error())) {
				t.Errorf("raw or long text in %q", err)
			}
			if !v.IsZero() || v.String() != "" {
				t.Errorf("%q was returned", v)
			}
		})
	}
}

func TestParseRunningVersion(t *testing.T) {
	for text, want := range map[string]string{
		"5.0.0-alpha.3":                       "5.0.0-alpha.3",
		"5.0.0-alpha.3+instrumented":          "5.0.0-alpha.3",
		"5.0.0+Instrumented.2-debug":          "5.0.0",
		"5.0.0+001":                           "5.0.0",
		"5.0.0+1000000000000":                 "5.0.0",
		"5.0.0":                               "5.0.0",
		"":                                    "",
		"5.0.0+":                              "",
		"5.0.0+a+b":                           "",
		"5.0.0+a..b":                          "",
		"5.0.0+a/b":                           "",
		"5.0.0+a\nb":                          "",
		"5.0.0-RC.1+a":                        "",
		"5.0+a":                               "",
		"+5.0.0":                              "",
		"12":                                  "",
		"5.0.0+" + strings.Repeat("x", 1<<12): "",
	} {
		v, err := policy.ParseRunningVersion(text)
		if v.String() != want || (want == "") != errors.Is(err, policy.ErrInvalidVersion) {
			t.Errorf("%.40q: %q, %v, want %q", text, v, err, want)
		}
	}
}

// The order of semver.org, item 11, and what the versions of a release are.
var ascending = []string{
	"", "0.0.0-0", "0.0.0", "1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-alpha.beta",
	"1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.9.0", "1.10.0", "2.0.0",
	"5.0.0-alpha.3", "5.0.0-beta.3", "5.0.0", "999999999.0.0",
}

func TestCompare(t *testing.T) {
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := orZero(t, a).Compare(orZero(t, b)); got != want {
				t.Errorf("%q compared with %q is %d, want %d", a, b, got, want)
			}
		}
	}
}

func orZero(t *testing.T, s string) policy.Version {
	t.Helper()
	if s == "" {
		return policy.Version{}
	}
	return version(t, s)
}

var (
	// semanticVersion is the expression that semver.org suggests, without
	// build metadata and capitals.
	semanticVersion = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
		`(-(0|[1-9]\d*|\d*[a-z-][0-9a-z-]*)(\.(0|[1-9]\d*|\d*[a-z-][0-9a-z-]*))*)?$`)
	buildMetadata = regexp.MustCompile(`^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$`)
	longNumber    = regexp.MustCompile(`(^|[.-])[0-9]{10,}($|[.-])`)
)

// What is accepted is safe as a part of a URL, as the end of a volume's name
// and inside the name of a file on a FAT file system. Nothing else that is a
// semantic version is refused.
func FuzzParseVersion(f *testing.F) {
	for _, s := range acceptedVersions {
		f.Add(s, "5.0.0", "5.0.0-alpha.3")
	}
	for _, c := range refusedVersions {
		if len(c.text) < 100 {
			f.Add(c.text, "5.0.0", "5.0.0-0")
		}
	}
	f.Fuzz(func(t *testing.T, s, other, third string) {
		v, err := policy.ParseVersion(s)
		if (err != nil) != v.IsZero() || err != nil && !errors.Is(err, policy.ErrInvalidVersion) {
			t.Fatalf("%q and %v", v, err)
		}
		if want := len(s) <= 64 && semanticVersion.MatchString(s) && !longNumber.MatchString(s); want != (err == nil) {
			t.Fatalf("%q: %v, but %v by the rules", s, err, want)
		}
		if err != nil {
			return
		}
		if v.String() != s {
			t.Errorf("%q became %q", s, v)
		}
		checkNames(t, s)
		running, err := policy.ParseRunningVersion(s + "+instrumented")
		if err != nil || running.String() != s {
			t.Errorf("running %q is %q, %v", s, running, err)
		}
		checkOrder(t, v, other, third)
	})
}

func checkNames(t *testing.T, s string) {
	t.Helper()
	// RFC 3986, unreserved characters; and no segment that means a folder.
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.Trim(s, ".") == "" {
		t.Errorf("%q is not safe in a URL", s)
	}
	// lvm(8), VALID NAMES.
	for _, reserved := range []string{"_cdata", "_cmeta", "_corig", "_mimage", "_mlog", "_pmspare", "_rimage", "_rmeta", "_tdata", "_tmeta", "_vdata", "_vorigin"} {
		if strings.Contains("core_"+s, reserved) || len("core_"+s) > 127 {
			t.Errorf("core_%s is not a volume name", s)
		}
	}
	// Only one '.' may not end a FAT name, and capitals are lost there.
	name := "clipos-" + s + ".efi"
	if strings.ContainsAny(name, "\"*/:<>?\\|+ ") || strings.ToLower(name) != name || len(name) > 255 {
		t.Errorf("%s is not a file name on FAT", name)
	}
}

func checkOrder(t *testing.T, v policy.Version, other, third string) {
	t.Helper()
	if v.Compare(v) != 0 || v.Compare(policy.Version{}) != 1 || (policy.Version{}).Compare(v) != -1 {
		t.Errorf("%q compares wrongly with itself or with none", v)
	}
	o, err := policy.ParseVersion(other)
	if err != nil {
		return
	}
	if v.Compare(o) != -o.Compare(v) || (v.Compare(o) == 0) != (v.String() == o.String()) {
		t.Errorf("%q and %q compare as %d and %d", v, o, v.Compare(o), o.Compare(v))
	}
	w, err := policy.ParseVersion(third)
	if err == nil && v.Compare(o) <= 0 && o.Compare(w) <= 0 && v.Compare(w) > 0 {
		t.Errorf("%q <= %q <= %q, but not the first and the last", v, o, w)
	}
}

// FuzzParseRunningVersion: what runs is the release it says, before a '+' that
// begins well-formed metadata.
func FuzzParseRunningVersion(f *testing.F) {
	for _, s := range []string{"5.0.0-alpha.1+instrumented.2", "5.0.0+a+b", "5.0.0+", "12", "5.0.0-RC.1", "5.0.0+é", "+5.0.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := policy.ParseRunningVersion(s)
		if err != nil {
			if !v.IsZero() || !errors.Is(err, policy.ErrInvalidVersion) {
				t.Errorf("%q and %v", v, err)
			}
			return
		}
		release, metadata, found := strings.Cut(s, "+")
		if v.String() != release || version(t, release).Compare(v) != 0 {
			t.Errorf("%q is %q", s, v)
		}
		if found && !buildMetadata.MatchString(metadata) {
			t.Errorf("%q is accepted", s)
		}
	})
}
