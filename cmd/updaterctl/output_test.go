// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// JSON on a terminal is as harmless as text, and means the same as before.
func TestObjectIsPrintable(t *testing.T) {
	const said = "a\x1b[31m\x7f\u009b31m \u202eb \U000e0041 \u00a0 é \U0001f600 \"<&>\" \u2028"
	var out bytes.Buffer
	if err := newOutput(&out, true).Object(rollbackObject{said}); err != nil {
		t.Fatal(err)
	}
	line, ended := strings.CutSuffix(out.String(), "\n")
	if !ended || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q", out.String())
	}
	var got rollbackObject
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Version != said {
		t.Errorf("%q %v", got.Version, err)
	}
	if !strings.Contains(line, "é \U0001f600") {
		t.Errorf("%q", line)
	}
}
