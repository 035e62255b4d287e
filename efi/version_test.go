// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

// compareWithTool asks systemd itself (systemd-analyze(1), compare-versions).
func compareWithTool(t *testing.T, a, b string) int {
	t.Helper()
	command := exec.Command("/usr/bin/systemd-analyze", "compare-versions", "--", unsigned(a), unsigned(b))
	command.Env = []string{"LC_ALL=C"}
	output, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatalf("%v (Debian package systemd)", err)
	}
	switch command.ProcessState.ExitCode() {
	case 0:
		return 0
	case 11:
		return 1
	case 12:
		return -1
	}
	t.Fatalf("systemd-analyze compare-versions %q %q: %s", a, b, output)
	return 0
}

// unsigned replaces the one character that the program and the loader take for
// different things. Where a version ends behind a tilde, that end is compared
// with the character behind the other one's tilde: of what is not ASCII the
// program has, on most machines, a signed byte below the end, the loader a
// char16_t above it. '_' is ignored as well, and above it for both.
func unsigned(version string) string {
	data := []byte(version)
	for i := 1; i < len(data); i++ {
		if data[i-1] == '~' && data[i] >= utf8.RuneSelf {
			data[i] = '_'
		}
	}
	return string(data)
}

// The order of the examples in UAPI.10 as its own reference, systemd, has it,
// and what the specification says in words.
func TestCompareVersions(t *testing.T) {
	tests := []struct {
		a    string
		want string
		b    string
	}{
		{"11", "=", "11"},
		{"systemd-123", "=", "systemd-123"},
		{"bar-123", "<", "foo-123"},
		{"123a", ">", "123"},
		{"123.a", ">", "123"},
		{"123.a", "<", "123.b"},
		{"123a", ">", "123.a"},
		{"11α", "=", "11β"},
		{"A", "<", "a"},
		{"B", "<", "a"},
		{"", "<", "0"},
		{"0.", ">", "0"},
		{"0.0", ">", "0"},
		{"0", ">", "~"},
		{"", ">", "~"},
		{"1_", "=", "1"},
		{"_1", "=", "1"},
		{"1_", "<", "1.2"},
		{"1_2_3", ">", "1.3.3"},
		{"1+", "=", "1"},
		{"+1", "=", "1"},
		{"1+", "<", "1.2"},
		{"1+2+3", ">", "1.3.3"},
		{"00123", "=", "123"},
		{"0", ">", "a"},
		{"99999999999999999999", "<", "100000000000000000000"},
		{"123~rc1-1", "<", "123"},
		{"123", "<", "123-a"},
		{"123-a", "<", "123-a.1"},
		{"123-a.1", "<", "123-1"},
		{"123-1.1", "<", "123^post1"},
		{"123^post1", "<", "123.a-1"},
		{"123.1-1", "<", "123a-1"},
		{"123a-1", "<", "124-1"},
		// Where semantic versions are ordered otherwise.
		{"5.0.0-alpha.9", "<", "5.0.0-alpha.10"},
		{"5.0.0-alpha.3", "<", "5.0.0-beta.1"},
		{"5.0.0-beta.1", ">", "5.0.0"},
		{"5.0.0-alpha", "<", "5.0.0-alpha.1"},
		{"5.0.0-alpha.1", ">", "5.0.0-alpha.beta"},
		{"5.0.0-1", ">", "5.0.0-alpha"},
		{"5.0.0-Beta", "<", "5.0.0-alpha"},
		{"5.0.0", "<", "5.0.0+b"},
		{"5.0.0~beta.1", "<", "5.0.0"},
		{"5.0.0~", "<", "5.0.0~é"},
		{"5.0.0~", "<", "5.0.0~_"},
	}
	sign := map[string]int{"<": -1, "=": 0, ">": 1}
	for _, test := range tests {
		t.Run(test.a+test.want+test.b, func(t *testing.T) {
			if got := CompareVersions(test.a, test.b); got != sign[test.want] {
				t.Errorf("%d", got)
			}
			if got := CompareVersions(test.b, test.a); got != -sign[test.want] {
				t.Errorf("the other way round: %d", got)
			}
			if got := compareWithTool(t, test.a, test.b); got != sign[test.want] {
				t.Errorf("systemd: %d", got)
			}
		})
	}
}

// versionParts are made into versions that are short and of few characters, so
// that long prefixes are equal; the last are what a parser trips over.
var versionParts = [][]string{
	{"0", "1", "2", "10", "00", "a", "b", "B", "rc", "beta", "~", "^", "-", ".", "-", ".", "_", "+", "é"},
	{"5.0.0", "5.0.1", "-alpha", "-beta", "-rc", ".1", ".2", ".10", "~", ".0"},
	{
		"~~", "^^", "--", "..", "~^", "^~", "-~", ".^", " ", "\t", "\n", "\x7f", "\x01", "\xff", "\xc3", "\ufeff", "漢", "٣", "（", "%s", "=", "/", "\\", `"`,
		"18446744073709551616", "018446744073709551615", strings.Repeat("0", 300), strings.Repeat("9", 300), strings.Repeat("z", 300), "Z", "a", "1",
	},
}

func randomVersion(r *rand.Rand) string {
	parts := versionParts[r.IntN(len(versionParts))]
	var s strings.Builder
	for range r.IntN(7) {
		s.WriteString(parts[r.IntN(len(parts))])
	}
	return s.String()
}

func TestCompareVersionsWithSystemd(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 0)) // the same pairs each time
	seen := make(map[int]int)
	for range 400 {
		a, b := randomVersion(r), randomVersion(r)
		if r.IntN(4) == 0 {
			b = a + b
		}
		got := CompareVersions(a, b)
		if want := compareWithTool(t, a, b); got != want {
			t.Errorf("%q and %q: %d, systemd: %d", a, b, got, want)
		}
		seen[got]++
	}
	for r, least := range map[int]int{-1: 100, 0: 3, 1: 100} {
		if seen[r] < least {
			t.Errorf("only %d pairs compare as %d", seen[r], r)
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	for _, pair := range [][2]string{
		{"5.0.0-beta.3", "5.0.0"},
		{"123~rc1-1", "123^post1"},
		{"1_2_3", "1.3.3"},
		{"12 (bookworm)", "12"},
		{"", "~"},
		{"--..", "-.-."},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		r := CompareVersions(a, b)
		if r < -1 || r > 1 || CompareVersions(b, a) != -r {
			t.Errorf("%q and %q: %d, the other way round %d", a, b, r, CompareVersions(b, a))
		}
		if CompareVersions(a, a) != 0 {
			t.Errorf("%q is not equal to itself", a)
		}
		// Behind a tilde systemd sees the end before another one: "~" < "~~".
		if utf8.ValidString(a) && !strings.Contains(a, "~") && CompareVersions(a, a+"~") != 1 {
			t.Errorf("%q is not above itself with a tilde", a)
		}
	})
}

// FuzzCompareVersionsWithSystemd asks systemd about what the fuzzer finds
// interesting; a process for each takes most of its time.
func FuzzCompareVersionsWithSystemd(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 1))
	for range 20 {
		f.Add(randomVersion(r), randomVersion(r))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "\x00") || len(a)+len(b) > 4096 {
			return // no argument of a program
		}
		if got, want := CompareVersions(a, b), compareWithTool(t, a, b); got != want {
			t.Errorf("%q and %q: %d, systemd: %d", a, b, got, want)
		}
	})
}
