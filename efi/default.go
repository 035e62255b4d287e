// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import "strings"

// What follows product and version in a pattern for LoaderEntryDefault.
const (
	// ".efi" and nothing else, yet not spelled as "bootctl set-default" does.
	plainPattern = ".ef[i]"
	// ".efi" once the entry is blessed, "+L.efi" and "+L-D.efi" while L is not 0.
	countedPattern = "[.+][1-9e]*"
)

// DefaultPattern returns the value of LoaderEntryDefault that makes the entry n
// the default. n is its name on the disk, or as it will be: a counted entry is
// matched with tries left and without its counter (blessed), but not with
// "+0-D", because the default goes before the order of the menu and would keep
// an entry that never comes up first for ever.
//
// systemd-boot compares the value, in small letters, with the whole identifier
// of each entry, which is its file name in small letters with the boot counter,
// and takes the first match in the order of the menu (config_entry_find and
// efi_fnmatch in systemd 252). Its patterns know '*', '?', '\' and sets with
// ranges; no alternatives and no negated sets. So each pattern that matches
// "V.efi" and "V+1.efi" matches "V.1.efi" too: of a pre-release, a counted
// pattern also matches the longer version (5.0.0-rc and 5.0.0-rc.1). The plain
// pattern is exact.
//
// Both forms contain a set, which no file name does: [OwnDefault] tells them
// from the plain identifier that an administrator pins.
func DefaultPattern(n Name) string {
	if n.Counted {
		return n.stem() + countedPattern
	}
	return n.stem() + plainPattern
}

// OwnDefault tells whether a value of LoaderEntryDefault is one that
// DefaultPattern made for an entry of the product.
func OwnDefault(product, value string) bool {
	for _, pattern := range []string{plainPattern, countedPattern} {
		if stem, found := strings.CutSuffix(value, pattern); found {
			_, ours := ParseName(product, stem+entrySuffix)
			return ours && !strings.Contains(stem, "+")
		}
	}
	return false
}

// DefaultMatches tells whether a value of LoaderEntryDefault names the entry of
// that file name, as systemd-boot 252 compares them. The first entry in the
// order of [Sort] that matches is the default; without a match it is the first.
func DefaultMatches(value, file string) bool {
	p, s := lower(value), lower(file)
	// After the last '*' p resumes at star and s one byte behind retry.
	star, retry := "", ""
	starred := false
	for s != "" {
		rest, matches := "", false
		switch {
		case strings.HasPrefix(p, "*"):
			p = strings.TrimLeft(p, "*")
			star, retry, starred = p, s, true
			continue
		case p != "":
			rest, matches = matchByte(p, s[0])
		}
		switch {
		case matches:
			p, s = rest, s[1:]
		case starred:
			retry = retry[1:]
			p, s = star, retry
		default:
			return false
		}
	}
	return strings.Trim(p, "*") == ""
}

// matchByte matches the pattern's first element, which is no '*', and returns
// what follows it.
func matchByte(p string, c byte) (rest string, matches bool) {
	switch p[0] {
	case '?':
		return p[1:], true
	case '[':
		return matchSet(p[1:], c)
	case '\\':
		if p = p[1:]; p == "" {
			return "", false
		}
	}
	return p[1:], p[0] == c
}

// matchSet matches a set, whose '[' is gone already. A ']' that comes first, a
// '-' that comes first or last or behind a range, and what follows a '\' stand
// for themselves. A set that is not closed matches nothing.
func matchSet(p string, c byte) (rest string, matches bool) {
	low, canRange := byte(0), false
	for first := true; p != ""; first = false {
		if p[0] == ']' && !first {
			return p[1:], matches
		}
		isRange := p[0] == '-' && canRange && !strings.HasPrefix(p, "-]")
		if isRange {
			p = p[1:]
		}
		if p = strings.TrimPrefix(p, `\`); p == "" {
			return "", false
		}
		if isRange {
			matches = matches || low <= c && c <= p[0]
		} else {
			matches = matches || c == p[0]
		}
		low, canRange = p[0], !isRange
		p = p[1:]
	}
	return "", false
}
