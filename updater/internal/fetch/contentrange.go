// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"strconv"
	"strings"
)

// contentRange is what a Content-Range header says (RFC 9110, 14.4).
type contentRange struct {
	// firstByte and lastByte are both included; -1 in the answer to a range
	// that cannot be satisfied.
	firstByte, lastByte int64
	totalBytes          int64
}

// lengthBytes is the length of the body the header goes with.
func (r contentRange) lengthBytes() int64 { return r.lastByte - r.firstByte + 1 }

// parseContentRange reads "bytes 5-9/10" and "bytes */10". The total may not be
// "*": a server that has the rest of a file knows how long it is.
func parseContentRange(s string) (contentRange, bool) {
	unit, rest, _ := strings.Cut(s, " ")
	span, size, ok := strings.Cut(rest, "/")
	total, isNumber := parseBytes(size)
	if !strings.EqualFold(unit, "bytes") || !ok || !isNumber {
		return contentRange{}, false
	}
	if span == "*" {
		return contentRange{firstByte: -1, lastByte: -1, totalBytes: total}, true
	}
	from, to, ok := strings.Cut(span, "-")
	first, firstOK := parseBytes(from)
	last, lastOK := parseBytes(to)
	if !ok || !firstOK || !lastOK || first > last || last >= total {
		return contentRange{}, false
	}
	return contentRange{firstByte: first, lastByte: last, totalBytes: total}, true
}

// parseBytes reads digits alone; strconv would take a sign as well.
func parseBytes(s string) (int64, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
