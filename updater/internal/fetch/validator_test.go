// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"net/http"
	"strings"
	"testing"
)

const (
	changed = "Sun, 01 Mar 2026 12:00:00 GMT"
	asked   = "Sun, 01 Mar 2026 12:00:01 GMT"
)

func TestStrongValidator(t *testing.T) {
	tests := []struct {
		name, tag, modified, date string
		want                      string
	}{
		{"nothing", "", "", asked, ""},
		{"tag", `"69a42ac0-40000000"`, "", asked, `"69a42ac0-40000000"`},
		{"tag before date", `"x"`, changed, asked, `"x"`},
		{"empty tag", `""`, "", asked, `""`},
		{"weak tag", `W/"x"`, "", asked, ""},
		{"weak tag and date", `W/"x"`, changed, asked, ""},
		{"tag without quotes", `x`, changed, asked, ""},
		{"half a tag", `"`, "", asked, ""},
		{"quote in a tag", `"x"y"`, "", asked, ""},
		{"space in a tag", `"x y"`, "", asked, ""},
		{"control in a tag", "\"x\x7f\"", "", asked, ""},
		{"long tag", `"` + strings.Repeat("x", 255) + `"`, "", asked, ""},
		{"date", "", changed, asked, changed},
		{"date of this second", "", asked, asked, ""},
		{"date to come", "", asked, changed, ""},
		{"date beside no Date", "", changed, "", ""},
		{"no date at all", "", "yesterday", asked, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := make(http.Header)
			for name, value := range map[string]string{"ETag": test.tag, "Last-Modified": test.modified, "Date": test.date} {
				if value != "" {
					h.Set(name, value)
				}
			}
			if got := strongValidator(h); got != test.want {
				t.Errorf("validator %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzValidator: what a server says becomes a validator that is taken back from
// where it was stored, and that goes out in one line as it came in; and so does
// whatever else the storage may say and is taken for one.
func FuzzValidator(f *testing.F) {
	// As nginx 1.22, Apache 2.4 and Go's net/http say it.
	f.Add(`"69a42ac0-40000000"`, changed, asked, `"69a42ac0-40000000"`)
	f.Add(`W/"2aa6-5f0c"`, changed, asked, changed)
	f.Add("", changed, asked, "Sunday, 01-Mar-26 12:00:00 GMT")
	f.Add("", "Sun Mar  1 12:00:00 2026", asked, "x\r\nRange: bytes=0-")
	f.Add("", "", "", "Sun, 01 Mar 2026 12:00:00"+strings.Repeat(" ", maxValidatorBytes)+"GMT")
	f.Fuzz(func(t *testing.T, tag, modified, date, stored string) {
		h := http.Header{"Etag": {tag}, "Last-Modified": {modified}, "Date": {date}}
		said := strongValidator(h)
		if said != "" && (!isValidator(said) || contradicts(h, said) || said != tag && said != modified) {
			t.Errorf("%q of tag %q and date %q", said, tag, modified)
		}
		for _, v := range []string{said, stored} {
			if !isValidator(v) {
				continue
			}
			if len(v) > maxValidatorBytes || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("validator %q", v)
			}
			// RFC 9110, 13.1.5: If-Range carries no weak tag.
			if strings.HasPrefix(v, "W/") {
				t.Errorf("weak validator %q", v)
			}
		}
	})
}
