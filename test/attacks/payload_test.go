// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flipped is a content with a bit of one byte turned.
func flipped(content string, at int) string {
	data := []byte(content)
	data[at] ^= 1 << (at % 8)
	return string(data)
}

// A payload that is cut or longer by a byte or a block, or has one bit turned:
// in each of its structures, and at many places between.
func TestPayloadChanged(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"core", "efiboot"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			good := genuine(t, webroot, kind)
			changed := map[string]string{
				"empty":                      "",
				"a byte":                     good[:1],
				"half":                       good[:len(good)/2],
				"cut by a block":             good[:len(good)-4096],
				"cut by a byte":              good[:len(good)-1],
				"longer by a zero":           good + "\x00",
				"longer by a byte":           good + "x",
				"longer by a block":          good + strings.Repeat("\x00", 4096),
				"twice":                      good + good,
				"without its first byte":     good[1:],
				"zeros of the same length":   strings.Repeat("\x00", len(good)),
				"the other kind's signature": good + genuine(t, webroot, kind+".sig"),
			}
			const places = 40
			for i := range places {
				at := i * (len(good) - 1) / (places - 1)
				changed[fmt.Sprint("bit of byte ", at)] = flipped(good, at)
			}
			for name, content := range changed {
				v.forges(kind, body(content))
				v.refuses("SignatureInvalid", name)
				v.forges(kind, getOnly(body(content)))
				v.refuses("SignatureInvalid", name+", length not known before")
			}
			v.updates()
		})
	}
}

// sparse serves a file that is all hole, as large as it says.
func sparse(t *testing.T, sizeBytes int64) http.HandlerFunc {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "hole")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, sizeBytes); err != nil {
		t.Fatal(err)
	}
	return fileOf(dir, "hole")
}

// A payload larger than there is any room for is refused by its length alone,
// and where the server does not tell it, at the first byte too many.
func TestPayloadTooLarge(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, c := range []struct {
		kind      string
		sizeBytes int64
		want      string
	}{
		{"core", 2<<20 + 1, "VolumeTooSmall"},
		{"core", 4 << 30, "VolumeTooSmall"}, // may be an honest release that outgrew the machine
		{"core", 4<<30 + 1, "ResponseTooLarge"},
		{"core", 5 << 30, "ResponseTooLarge"},
		{"core", 1 << 42, "ResponseTooLarge"},
		{"efiboot", 256<<20 + 1, "ResponseTooLarge"},
		{"efiboot", 5 << 30, "ResponseTooLarge"},
	} {
		hole := sparse(t, c.sizeBytes)
		for how, h := range map[string]http.HandlerFunc{"": hole, ", not told by HEAD": getOnly(hole)} {
			v.forges(c.kind, h)
			v.refuses(c.want, fmt.Sprint(c.kind, " of ", c.sizeBytes, how))
		}
	}
	for _, r := range v.server.Requests() {
		if strings.HasSuffix(r.Path, "-core") && r.BodyBytes > 16<<20 {
			v.Errorf("%s %s: %d bytes were sent", r.Method, r.Path, r.BodyBytes)
		}
	}
	v.updates()
}
