// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"net/http"
	"strings"
	"time"
)

// maxValidatorBytes bounds what is stored beside a partial file.
const maxValidatorBytes = 256

// strongValidator returns what If-Range may carry for this answer, as the server
// wrote it: a strong entity tag, else the date of the last modification, else ""
// (RFC 9110, 13.1.5: no weak tag, and no date where there is a tag).
func strongValidator(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" {
		if isStrongTag(tag) {
			return tag
		}
		return ""
	}
	if modified := h.Get("Last-Modified"); isStrongDate(modified, h.Get("Date")) {
		return modified
	}
	return ""
}

// isValidator reports whether s is one that strongValidator may have returned. It
// comes back from where the caller stored it, and may have been damaged there.
func isValidator(s string) bool {
	_, err := http.ParseTime(s)
	return len(s) <= maxValidatorBytes && err == nil || isStrongTag(s)
}

// isStrongTag follows RFC 9110, 8.8.3, without the bytes above ASCII.
func isStrongTag(s string) bool {
	inner, opened := strings.CutPrefix(s, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	if !opened || !closed || len(s) > maxValidatorBytes {
		return false
	}
	return !strings.ContainsFunc(inner, func(r rune) bool { return r <= ' ' || r == '"' || r >= 0x7f })
}

// isStrongDate follows RFC 9110, 8.8.2.2: a file may change twice in the second
// in which it was asked for.
func isStrongDate(modified, date string) bool {
	m, err := http.ParseTime(modified)
	if err != nil || len(modified) > maxValidatorBytes {
		return false
	}
	d, err := http.ParseTime(date)
	return err == nil && d.Sub(m) >= time.Second
}

// contradicts reports whether a 206 says that it belongs to another file than
// the one validator was stored for. It may leave the date out (RFC 9110, 15.3.7).
func contradicts(h http.Header, validator string) bool {
	field := "Last-Modified"
	if strings.HasPrefix(validator, `"`) {
		field = "ETag"
	}
	said := h.Get(field)
	return said != "" && said != validator
}
