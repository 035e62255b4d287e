// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"fmt"
	"strings"
	"testing"
)

// The accepted ones were sent by nginx 1.22 and Go's net/http.
var contentRanges = []struct {
	name, header string
	want         contentRange
	ok           bool
}{
	{"rest of a file", "bytes 1000-1073741823/1073741824", contentRange{1000, 1073741823, 1073741824}, true},
	{"one byte", "bytes 9-9/10", contentRange{9, 9, 10}, true},
	{"nothing left", "bytes */10", contentRange{-1, -1, 10}, true},
	{"empty file", "bytes */0", contentRange{-1, -1, 0}, true},
	{"unit in capitals", "Bytes 0-9/10", contentRange{0, 9, 10}, true},
	{"largest", "bytes 0-9223372036854775806/9223372036854775807", contentRange{0, 1<<63 - 2, 1<<63 - 1}, true},
	{"too large", "bytes 0-1/9223372036854775808", contentRange{}, false},
	{"empty", "", contentRange{}, false},
	{"unit alone", "bytes", contentRange{}, false},
	{"no unit", "0-9/10", contentRange{}, false},
	{"other unit", "items 0-9/10", contentRange{}, false},
	{"no total", "bytes 0-9", contentRange{}, false},
	{"empty total", "bytes 0-9/", contentRange{}, false},
	{"unknown total", "bytes 0-9/*", contentRange{}, false},
	{"nothing known", "bytes */*", contentRange{}, false},
	{"no end", "bytes 0-/10", contentRange{}, false},
	{"no beginning", "bytes -9/10", contentRange{}, false},
	{"backwards", "bytes 9-0/10", contentRange{}, false},
	{"end is total", "bytes 0-10/10", contentRange{}, false},
	{"signs", "bytes +0-+9/+10", contentRange{}, false},
	{"negative", "bytes 0--9/10", contentRange{}, false},
	{"two spaces", "bytes  0-9/10", contentRange{}, false},
	{"text behind", "bytes 0-9/10 ", contentRange{}, false},
	{"two ranges", "bytes 0-4,6-9/10", contentRange{}, false},
	{"other digits", "bytes ٠-٩/١٠", contentRange{}, false},
}

func TestParseContentRange(t *testing.T) {
	for _, test := range contentRanges {
		t.Run(test.name, func(t *testing.T) {
			got, ok := parseContentRange(test.header)
			if got != test.want || ok != test.ok {
				t.Errorf("%q: %+v, %v, want %+v, %v", test.header, got, ok, test.want, test.ok)
			}
		})
	}
}

// FuzzContentRange holds what is accepted to its meaning, and to be written in
// no other way than that meaning is.
func FuzzContentRange(f *testing.F) {
	for _, test := range contentRanges {
		f.Add(test.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r, ok := parseContentRange(header)
		if !ok {
			if r != (contentRange{}) {
				t.Fatalf("%q refused, but %+v", header, r)
			}
			return
		}
		written := fmt.Sprintf("bytes %d-%d/%d", r.firstByte, r.lastByte, r.totalBytes)
		if r.firstByte < 0 {
			written = fmt.Sprintf("bytes */%d", r.totalBytes)
		} else if r.lengthBytes() < 1 || r.lastByte >= r.totalBytes {
			t.Fatalf("%q: %+v", header, r)
		}
		if !strings.EqualFold(withoutLeadingZeros(header), written) {
			t.Fatalf("%q read as %q", header, written)
		}
	})
}

func withoutLeadingZeros(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		begins := i > 0 && strings.IndexByte(" -/", s[i-1]) >= 0
		for begins && s[i] == '0' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
