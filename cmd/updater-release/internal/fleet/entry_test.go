// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	latest  = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	someID  = MachineID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	written = `{"time":"2026-11-23T10:15:30+01:00","machine":"0123456789ABCDEF0123456789abcdef","version":"5.0.0","channel":"stable","offered":"5.1.0",` +
		`"method":"GET","path":"/update/v1/clipos/version","status":"200","bytes":18}`
)

// with is written with one text in it replaced.
func with(old, replacement string) string {
	if !strings.Contains(written, old) {
		panic(old)
	}
	return strings.Replace(written, old, replacement, 1)
}

func TestParseEntry(t *testing.T) {
	whole := entry{
		unix: time.Date(2026, 11, 23, 9, 15, 30, 0, time.UTC).Unix(), machine: someID,
		version: "5.0.0", channel: "stable", offered: "5.1.0", kind: KindCheck, bytes: 18,
	}
	nobody := whole
	nobody.machine = MachineID{}
	failed := whole
	failed.failed, failed.kind = true, KindSignature
	optional := whole
	optional.kind = KindSignature
	broken := optional
	broken.failed = true
	for _, c := range []struct {
		name, line string
		want       entry
		wantErr    error
	}{
		{"whole", written, whole, nil},
		{"with a field of somebody else's", with(`{`, `{"country":"fr",`), whole, nil},
		{"no machine", with(`0123456789ABCDEF0123456789abcdef`, ``), nobody, nil},
		{"not found", strings.Replace(with(`/update/v1/clipos/version`, `/dist/5.1.0/clipos-core.sig`), `"200"`, `"404"`, 1), failed, nil},
		{"no patch found", strings.Replace(with(`/update/v1/clipos/version`, `/dist/5.1.0/clipos-core.from-5.0.0.patch.sig`), `"200"`, `"404"`, 1), optional, nil},
		{"patch forbidden", strings.Replace(with(`/update/v1/clipos/version`, `/dist/5.1.0/clipos-core.from-5.0.0.patch.sig`), `"200"`, `"403"`, 1), broken, nil},
		{"an answer that never was", with(`"200"`, `"000"`), whole, nil},
		{"empty", ``, entry{}, errDamaged},
		{"cut", written[:len(written)/2], entry{}, errDamaged},
		{"two in one line", written + written, entry{}, errDamaged},
		{"a list", `[]`, entry{}, errDamaged},
		{"an empty object", `{}`, entry{}, errDamaged},
		{"null", `null`, entry{}, errDamaged},
		{"no time", with(`2026-11-23T10:15:30+01:00`, ``), entry{}, errDamaged},
		{"in the future", with(`2026-11`, `2027-11`), entry{}, errDamaged},
		{"before all logs", with(`2026-11`, `1970-01`), entry{}, errDamaged},
		{"machine too short", with(`0123456789ABCDEF`, `0`), entry{}, errDamaged},
		{"machine too long", with(`0123456789ABCDEF`, `0123456789ABCDEF0`), entry{}, errDamaged},
		{"machine of other letters", with(`ABCDEF`, `ABCDEG`), entry{}, errDamaged},
		{"machine of a digit that is none", with(`ABCDEF`, `ABCDé`), entry{}, errDamaged},
		{"status a number", with(`"200"`, `200`), entry{}, errDamaged},
		{"status of letters", with(`"200"`, `"2xx"`), entry{}, errDamaged},
		{"status too long", with(`"200"`, `"0200"`), entry{}, errDamaged},
		{"status negative", with(`"200"`, `"-20"`), entry{}, errDamaged},
		{"bytes negative", with(`:18`, `:-18`), entry{}, errDamaged},
		{"bytes of no file", with(`:18`, `:1099511627777`), entry{}, errDamaged},
		{"bytes broken", with(`:18`, `:1.5`), entry{}, errDamaged},
		{"bytes too many", with(`:18`, `:99999999999999999999`), entry{}, errDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseEntry([]byte(c.line), latest)
			if got != c.want || !errors.Is(err, c.wantErr) {
				t.Errorf("%+v, %v, want %+v, %v", got, err, c.want, c.wantErr)
			}
		})
	}
}

func TestKindOf(t *testing.T) {
	for path, want := range map[string]Kind{
		"/update/v1/clipos/version":                KindCheck,
		"/update/v1/clipos/version?x=.patch":       KindCheck,
		"/dist/5.1.0/clipos-core":                  KindPlain,
		"/dist/5.1.0/clipos-efiboot":               KindPlain,
		"/dist/5.1.0/clipos-core?.sig":             KindPlain,
		"/dist/5.1.0/clipos-core.sig":              KindSignature,
		"/dist/5.1.0/clipos-core.zst":              KindZstd,
		"/dist/5.1.0/clipos-core.zst.sig":          KindSignature,
		"/dist/5.1.0/clipos-core.from-5.0.0.patch": KindPatch,
		"/dist/5.1.0/":                             KindOther,
		"/robots.txt":                              KindOther,
		"":                                         KindOther,
		"https://x/dist/5.1.0/clipos-core":         KindOther,
	} {
		if got := kindOf(path); got != want {
			t.Errorf("%q is %s, want %s", path, got, want)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte(with(`stable`, `\u001b[31m`)))
	f.Add([]byte(with(`"200"`, `"000"`)))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseEntry(line, latest)
		switch {
		case err != nil && (e != entry{} || !errors.Is(err, errDamaged) || len(err.Error()) > 500):
			t.Errorf("%+v, %v", e, err)
		case err == nil && (e.unix < earliest.Unix() || e.unix > latest.Unix() || e.bytes < 0 || !slices.Contains(Kinds(), e.kind)):
			t.Errorf("%+v", e)
		}
	})
}

// FuzzLog reads any bytes as a log: whatever they are, it is read to its end,
// and no text of theirs is in the report.
func FuzzLog(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte(written + "\n" + with(`5.0.0`, `5.0.0+instrumented`) + "\n" + with(`5.0.0`, `<b>`) + "\n"))
	f.Add([]byte(with(`stable`, `\u001b[31m`)))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, log []byte) {
		r, err := Read(t.Context(), []Log{{"log", strings.NewReader(string(log))}}, options(latest))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Versions {
			if v.Version != unknownWord && canonicalVersion(v.Version) != v.Version {
				t.Errorf("version %q", v.Version)
			}
			for channel := range v.Channels {
				if !channelForm.MatchString(channel) {
					t.Errorf("channel %q", channel)
				}
			}
		}
		if r.Active+r.Missing > r.Requests.Total || r.Requests.Damaged > strings.Count(string(log), "\n")+1 {
			t.Errorf("%+v", r)
		}
		var page strings.Builder
		if err := r.WriteHTML(&page, "fuzz", latest); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
	})
}
