// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDefaultPattern(t *testing.T) {
	plain := []string{"clipos-5.0.0.efi", "CLIPOS-5.0.0.EFI"}
	withTries := []string{
		"clipos-5.0.0+1.efi", "clipos-5.0.0+3.efi", "clipos-5.0.0+3-0.efi", "clipos-5.0.0+2-1.efi", "clipos-5.0.0+9-9.efi",
		"clipos-5.0.0+10.efi", "clipos-5.0.0+100-20.efi",
	}
	never := []string{
		"clipos-5.0.0+0-3.efi", "clipos-5.0.0+0.efi", "clipos-5.0.1.efi", "clipos-5.0.0-rc.1.efi", "clipos-5.0.0-rc.1+3.efi",
		"clipos-15.0.0.efi", "clipos-5.0.00.efi", "debian-5.0.0.efi", "clipos-server-5.0.0.efi", "clipos-5a0.0.efi", "auto-clipos-5.0.0.efi",
	}
	tests := []struct {
		name        string
		n           Name
		value       string
		match, miss []string
	}{
		{
			"plain",
			Name{Product: product, Version: "5.0.0"},
			"clipos-5.0.0.ef[i]", plain, append(withTries, never...),
		},
		{
			"counted",
			Name{Product: product, Version: "5.0.0", Counted: true, TriesLeft: 3},
			"clipos-5.0.0[.+][1-9e]*", append(plain, withTries...), never,
		},
		{
			"a shorter pre-release",
			Name{Product: product, Version: "5.0.0-rc"},
			"clipos-5.0.0-rc.ef[i]",
			[]string{"clipos-5.0.0-rc.efi"},
			[]string{"clipos-5.0.0-rc.1.efi", "clipos-5.0.0-rc.efi.efi", "clipos-5.0.0.efi"},
		},
		{
			"as a temporary file",
			Name{Product: product, Version: "5.0.0", Temporary: true},
			"clipos-5.0.0.ef[i]", plain, never,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value := DefaultPattern(test.n)
			if value != test.value {
				t.Errorf("%s, want %s", value, test.value)
			}
			for _, file := range test.match {
				if !DefaultMatches(value, file) {
					t.Errorf("does not match %s", file)
				}
			}
			for _, file := range test.miss {
				if DefaultMatches(value, file) {
					t.Errorf("matches %s", file)
				}
			}
			if !OwnDefault(product, value) {
				t.Error("not ours")
			}
			if err := checkDefault(value); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOwnDefaultRefuses(t *testing.T) {
	for _, value := range []string{
		"", "*", "clipos-*", "@saved", "clipos-5.0.0.efi", "clipos-5.0.0*", "clipos-5.0.0+3.efi", "clipos-5.0.0+3.ef[i]",
		"clipos.ef[i]", "clipos-.ef[i]", "clipos-*[.+][1-9e]*", "clipos-server-5.0.0.ef[i]", "debian-5.0.0[.+][1-9e]*",
		"clipos-5.0.0.efi.ef[i]", "clipos-5.0.0.EF[I]", " clipos-5.0.0.ef[i]", "clipos-5.0.0.ef[i] ",
	} {
		if OwnDefault(product, value) {
			t.Errorf("%q is ours", value)
		}
	}
}

// The bootloader's own tests of its patterns, in our words, and its limits.
func TestDefaultMatches(t *testing.T) {
	tests := []struct {
		pattern, file string
		want          bool
	}{
		{"", "", true},
		{"abc", "abc", true},
		{"ABC", "abc", true},
		{"abc", "ABC", true},
		{"abc", "abcd", false},
		{"abcd", "abc", false},
		{"", "a", false},
		{"?", "", false},
		{"a?c", "abc", true},
		{"a?", "a", false},
		{"*", "", true},
		{"**", "abc", true},
		{"*c", "abcc", true},
		{"a*b*c", "axbxbxc", true},
		{"a*b*c", "axbxbx", false},
		{"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", strings.Repeat("a", 255), false},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`a\`, "a", false},
		{`a\`, `a\`, false},
		{`\\`, `\`, true},
		{"[abc]", "b", true},
		{"[abc]", "d", false},
		{"[abc]", "", false},
		{"[a-c]x", "bx", true},
		{"[a-c]", "-", false},
		{"[-a]", "-", true},
		{"[a-]", "-", true},
		{"[]]", "]", true},
		{"[]a]", "a", true},
		{"[]", "]", false},
		{"[a", "a", false},
		{"[a-", "a", false},
		{"[a-c-f]", "d", false},
		{"[a-c-f]", "-", true},
		{"[a-c-f]", "f", true},
		{`[a\-c]`, "b", false},
		{`[a\-c]`, "-", true},
		{`[a-\]]`, "a", true},
		{`[a-\]]`, "b", false},
		{`[\]-a]`, "^", true},
		{"[!a]", "b", false},
		{"[!a]", "!", true},
	}
	for _, test := range tests {
		t.Run(test.pattern+" "+test.file, func(t *testing.T) {
			if got := DefaultMatches(test.pattern, test.file); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// matchSlowly tries everything that a '*' could stand for.
func matchSlowly(p, s string) bool {
	if p == "" {
		return s == ""
	}
	if p[0] == '*' {
		return matchSlowly(p[1:], s) || s != "" && matchSlowly(p, s[1:])
	}
	if s == "" {
		return false
	}
	rest, matches := matchByte(p, s[0])
	return matches && matchSlowly(rest, s[1:])
}

func TestDefaultMatchesRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	word := func(letters string) string {
		var s strings.Builder
		for range r.IntN(9) {
			s.WriteByte(letters[r.IntN(len(letters))])
		}
		return s.String()
	}
	matched := 0
	for range 100_000 {
		p, s := word(`ab**?[a-]\`), word("aab-]")
		want := matchSlowly(p, s)
		if got := DefaultMatches(p, s); got != want {
			t.Errorf("%q %q: %v", p, s, got)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d matched", matched)
	}
}

// FuzzDefaultMatches: a pattern that somebody else pinned matches what trying
// everything finds, and ours match their entries.
func FuzzDefaultMatches(f *testing.F) {
	for _, pattern := range []string{"clipos-*", "clipos-5.0.0.ef[i]", "clipos-5.0.0[.+][1-9e]*", "@saved", `[]a\-c]?*`} {
		f.Add(pattern, "clipos-5.0.0.efi")
	}
	f.Fuzz(func(t *testing.T, pattern, file string) {
		got := DefaultMatches(pattern, file)
		// Without more stars than that it ends soon.
		if strings.Count(pattern, "*") <= 3 && len(file) <= 64 {
			if want := matchSlowly(lower(pattern), lower(file)); got != want {
				t.Errorf("%q %q: %v", pattern, file, got)
			}
		}
		if n, ok := ParseName(product, file); ok && !n.Temporary {
			n.TriesLeft = max(n.TriesLeft, 1)
			value := DefaultPattern(n)
			if !OwnDefault(product, value) || !DefaultMatches(value, n.String()) {
				t.Errorf("%q for %s", value, n)
			}
		}
		if OwnDefault(product, pattern) && DefaultMatches(pattern, "x"+file) {
			t.Errorf("%q matches x%s", pattern, file)
		}
	})
}
