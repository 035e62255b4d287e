// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"strings"
	"unicode"
)

// What comes over the bus may come from a server, a file or another program. It
// is cut, and freed of what is not to be seen.
const (
	versionRunes = 64 // as long as a version may be
	nameRunes    = 64
	messageRunes = 240
)

// clean is s on one line, without control characters and marks that turn the
// direction of the text, and not longer than so many characters.
func clean(s string, runes int) string {
	var b strings.Builder
	for i, r := range []rune(s) {
		switch {
		case i == runes:
			b.WriteRune('…')
			return b.String()
		case unicode.IsSpace(r):
			b.WriteRune(' ')
		case !unicode.IsPrint(r):
			b.WriteRune(unicode.ReplacementChar)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escape is s for what reads markup: a notification's body, where the server
// says so (Desktop Notifications Specification, "Markup"), and Pango.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
