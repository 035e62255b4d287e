// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"net/http"
	"strings"
	"testing"
)

func TestStrongValidator(t *testing.T) {
	const (
		changed = "Sun, 01 Mar 2026 12:00:00 GMT"
		asked   = "Sun, 01 Mar 2026 12:00:01 GMT"
	)
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
