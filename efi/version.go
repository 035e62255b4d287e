// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"cmp"
	"strings"
)

// CompareVersions orders two versions as systemd-boot does: -1, 0 or 1. It is
// UAPI.10, the Version Format Specification, as systemd implements it in
// strverscmp_improved (src/fundamental/string-util-fundamental.c) and shows it
// with "systemd-analyze compare-versions". Where the specification's text and
// systemd disagree ('^' sorts below '.'), systemd is right: it decides what
// boots.
//
// It is not the order of semantic versions: here 5.0.0-beta.3 > 5.0.0.
func CompareVersions(a, b string) int {
	for {
		a, b = skipIgnored(a), skipIgnored(b)
		r := compareMark(&a, &b, '~')
		if r != 0 {
			return r
		}
		if a == "" || b == "" {
			return cmp.Compare(min(len(a), 1), min(len(b), 1))
		}
		for _, mark := range []byte("-^.") {
			if r := compareMark(&a, &b, mark); r != 0 {
				return r
			}
		}
		isPart, compare := isLetter, strings.Compare // capitals first, then the longer is higher
		if startsWithDigit(a) || startsWithDigit(b) {
			isPart, compare = isDigit, compareNumbers
		}
		var partA, partB string
		partA, a = cutPart(a, isPart)
		partB, b = cutPart(b, isPart)
		if r := compare(partA, partB); r != 0 {
			return r
		}
	}
}

// compareMark orders below the version that begins with mark; where both do, it
// is skipped.
func compareMark(a, b *string, mark byte) int {
	hasA, hasB := strings.HasPrefix(*a, string(mark)), strings.HasPrefix(*b, string(mark))
	switch {
	case hasA && hasB:
		*a, *b = (*a)[1:], (*b)[1:]
		return 0
	case hasA:
		return -1
	case hasB:
		return 1
	}
	return 0
}

// compareNumbers compares digits of any length without reading their value. No
// digit at all is lower than zero.
func compareNumbers(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func cutPart(s string, isPart func(byte) bool) (part, rest string) {
	n := 0
	for n < len(s) && isPart(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

// skipIgnored drops characters that only separate. Bytes suffice: all that is
// not ASCII is ignored.
func skipIgnored(s string) string {
	_, rest := cutPart(s, func(c byte) bool {
		return !isDigit(c) && !isLetter(c) && !strings.ContainsRune("~-^.", rune(c))
	})
	return rest
}

func startsWithDigit(s string) bool { return s != "" && isDigit(s[0]) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
