// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func options(now time.Time) Options {
	return Options{Days: 14, Now: now, Limits: Limits{Machines: 1000, Names: 5}}
}

func read(t *testing.T, o Options, logs ...string) *Report {
	t.Helper()
	var all []Log
	for i, log := range logs {
		all = append(all, Log{fmt.Sprintf("log %d", i), strings.NewReader(log)})
	}
	r, err := Read(t.Context(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// request is a line of a log: of machine i, on a day and hour, "" for what the
// line does not say.
func request(i int, at, version, channel, offered string) string {
	id := MachineID{15: byte(i), 14: byte(i >> 8), 0: 1}.String()
	if i == 0 {
		id = ""
	}
	return fmt.Sprintf(`{"time":"2026-%s:00:00+00:00","machine":"%s","version":"%s","channel":"%s","offered":"%s","path":"/update/v1/clipos/version","status":"200","bytes":10}`+"\n",
		at, id, version, channel, offered)
}

func TestCurrentVersionIsTheLastTold(t *testing.T) {
	r := read(t, options(latest),
		request(1, "11-01T10", "5.0.0", "stable", "5.1.0")+
			request(1, "11-01T11", "5.1.0", "stable", "5.1.0")+
			// Went back.
			request(2, "11-01T10", "5.1.0", "beta", "5.1.0")+
			request(2, "11-01T12", "5.0.0+instrumented", "stable", "5.1.0")+
			// Told once.
			request(3, "11-01T12", "5.0.0", "stable", "")+
			request(3, "11-01T13", "", "", "")+
			request(4, "11-01T13", "none such", "stable", "none")+
			request(0, "11-01T14", "5.0.0", "", ""))
	want := []Version{
		{"5.1.0", 1, map[string]int{"stable": 1}},
		{"5.0.0", 2, map[string]int{"stable": 2}},
		{"unknown", 1, map[string]int{"stable": 1}},
	}
	if !reflect.DeepEqual(r.Versions, want) {
		t.Errorf("%+v", r.Versions)
	}
	if want := (Requests{Total: 8, Anonymous: 1}); r.Requests != want {
		t.Errorf("%+v", r.Requests)
	}
	if want := []Rollout{{Version: "5.1.0", Channel: "stable", Offered: 2, Running: 1}}; !reflect.DeepEqual(r.Rollouts, want) {
		t.Errorf("%+v", r.Rollouts)
	}
}

func TestAdoption(t *testing.T) {
	o := options(latest)
	o.Days = 3
	r := read(t, o,
		request(1, "11-01T10", "5.0.0", "stable", "")+request(2, "11-01T23", "5.0.0", "stable", "")+
			request(1, "11-02T10", "5.1.0", "stable", "")+
			// Nobody asks on the third. Machine 2 was seen last on the first, which
			// is too long ago on the fourth.
			request(3, "11-04T10", "5.0.0", "stable", "")+
			request(2, "11-06T10", "5.1.0", "stable", ""))
	want := []Adoption{
		{"2026-11-01", map[string]int{"5.0.0": 2}},
		{"2026-11-02", map[string]int{"5.0.0": 1, "5.1.0": 1}},
		{"2026-11-03", map[string]int{"5.0.0": 1, "5.1.0": 1}},
		{"2026-11-04", map[string]int{"5.0.0": 1, "5.1.0": 1}},
		{"2026-11-05", map[string]int{"5.0.0": 1}},
		{"2026-11-06", map[string]int{"5.0.0": 1, "5.1.0": 1}},
	}
	if !reflect.DeepEqual(r.Adoption, want) {
		t.Errorf("%v", r.Adoption)
	}
	if r.Active != 2 || r.Missing != 1 || len(r.Absent) != 1 || r.Absent[0].LastSeen != time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC) {
		t.Errorf("%d active, %d missing: %v", r.Active, r.Missing, r.Absent)
	}
	if len(r.Served) != 6 || r.Served[0].Kinds[KindCheck] != (Traffic{2, 20}) || len(r.Served[2].Kinds) != 0 {
		t.Errorf("%v", r.Served)
	}
}

// TestWindow: a window of one day is the last request's.
func TestWindow(t *testing.T) {
	log := request(1, "11-04T23", "5.0.0", "stable", "") + request(2, "11-05T23", "5.0.0", "stable", "") + request(3, "11-06T00", "5.0.0", "stable", "")
	for days := 1; days <= 4; days++ {
		o := options(latest)
		o.Days = days
		r := read(t, o, log)
		last := r.Adoption[len(r.Adoption)-1].Machines["5.0.0"]
		if want := min(days, 3); r.Active != want || last != want || r.Missing != 3-want {
			t.Errorf("%d days: %d active, %d by version, %d missing", days, r.Active, last, r.Missing)
		}
	}
}

func TestStuck(t *testing.T) {
	r := read(t, options(latest),
		request(1, "11-01T10", "5.0.0", "stable", "5.1.0")+
			request(2, "11-02T10", "5.0.0", "stable", "5.1.0")+
			request(3, "11-02T11", "5.2.0", "stable", "5.1.0")+
			request(4, "11-02T12", "5.0.0", "stable", "5.0.1")+
			request(4, "11-07T10", "5.0.0", "stable", "5.1.0")+
			request(1, "11-08T10", "5.0.0", "stable", "5.1.0"))
	if want := []Rollout{{Version: "5.1.0", Channel: "stable", Offered: 4, Running: 1, Stuck: 1}}; !reflect.DeepEqual(r.Rollouts, want) {
		t.Errorf("%+v", r.Rollouts)
	}
}

func compressed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLogsInAnyOrder: three servers, rotated and compressed, named in the wrong
// order, say the same as one log would.
func TestLogsInAnyOrder(t *testing.T) {
	text := string(sampleLog(300, 30))
	var servers [3][2]strings.Builder // of each: older and newer lines
	i, half := 0, strings.Count(text, "\n")/2
	for line := range strings.Lines(text) {
		servers[i%3][i/half%2].WriteString(line)
		i++
	}
	want := read(t, options(latest), text)
	got := read(t, options(latest),
		servers[0][1].String(), compressed(t, servers[0][0].String()),
		compressed(t, servers[1][0].String())+compressed(t, servers[1][1].String()), // as cat makes of two
		compressed(t, servers[2][1].String()), servers[2][0].String(), "")
	if !reflect.DeepEqual(got, want) {
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		t.Errorf("\n%.2000s\n%.2000s", a, b)
	}
	if want.Requests.Late != 0 || want.Requests.Damaged != 0 || want.Active < 290 {
		t.Errorf("%d active, %+v", want.Active, want.Requests)
	}
}

// TestLate: a log out of order is told, and a machine still runs what it told
// last.
func TestLate(t *testing.T) {
	r := read(t, options(latest),
		request(1, "11-03T10", "5.1.0", "stable", "")+request(1, "11-01T10", "5.0.0", "stable", "")+request(2, "11-03T09", "5.0.0", "stable", ""))
	if r.Requests.Late != 1 || r.Active != 2 || r.Versions[0].Machines != 1 || r.From.Day() != 1 {
		t.Errorf("%+v", r)
	}
}

func TestDamaged(t *testing.T) {
	good := request(1, "11-01T10", "5.0.0", "stable", "")
	pressed := compressed(t, strings.Repeat(good, 100))
	for _, c := range []struct {
		name    string
		log     string
		want    Requests
		missing string // what the end of the log lacks
	}{
		{"empty", "", Requests{}, ""},
		{"empty lines", "\n\r\n" + good + "\n", Requests{Total: 1}, ""},
		{"no end of the last line", good[:len(good)-1], Requests{Total: 1}, ""},
		{"the last line is being written", good + good[:50], Requests{Total: 1, Damaged: 1}, ""},
		{"binary", good + "\x00\xff\xfe\n" + good, Requests{Total: 2, Damaged: 1}, ""},
		{"a line without end", good + strings.Repeat("x", 10*maxLineBytes), Requests{Total: 1, Damaged: 1}, ""},
		{"a line too long", good + `{"path":"` + strings.Repeat("x", 3*maxLineBytes) + "\"}\n" + good, Requests{Total: 2, Damaged: 1}, ""},
		{"gzip cut in its header", pressed[:5], Requests{}, "unexpected EOF"},
		{"gzip without its end", pressed[:len(pressed)-8], Requests{Total: 100}, "unexpected EOF"},
		{"gzip with another end", pressed[:len(pressed)-8] + "00000000", Requests{Total: 100}, "gzip: invalid checksum"},
		{"gzip and something else", pressed + "x", Requests{Total: 100}, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read(t, options(latest), c.log)
			if r.Requests != c.want {
				t.Errorf("%+v, want %+v", r.Requests, c.want)
			}
			var missing string
			if len(r.Broken) > 0 {
				missing = r.Broken[0].Error
			}
			if missing != c.missing {
				t.Errorf("%q, want %q", missing, c.missing)
			}
		})
	}
}

// TestLimits: inventions are counted and not kept.
func TestLimits(t *testing.T) {
	o := options(latest)
	o.Limits.Machines = 3
	var log strings.Builder
	for i := range 10 {
		log.WriteString(request(i%5+1, "11-01T10", fmt.Sprintf("5.%d.0", i), fmt.Sprintf("c%d", i), ""))
	}
	r := read(t, o, log.String())
	if r.Active != 3 || r.Requests.Surplus != 4 {
		t.Errorf("%d machines, %d requests of others", r.Active, r.Requests.Surplus)
	}
	words := map[string]int{}
	for _, v := range r.Versions {
		words[v.Version] = v.Machines
	}
	if want := map[string]int{"5.5.0": 1, "5.6.0": 1, "other": 1}; !reflect.DeepEqual(words, want) {
		t.Errorf("%v, want %v", words, want)
	}
}

// TestMemory: a longer log leaves nothing more behind than its days and the
// versions that were offered.
func TestMemory(t *testing.T) {
	size := func(days int) (sizes [3]int) {
		c := newCount(options(latest))
		s := newSource(Log{"log", bytes.NewReader(sampleLog(20, days))}, latest)
		for c.advance(s) {
			c.add(&s.next)
		}
		return [3]int{len(c.machines), len(c.seen), c.versions.told}
	}
	if short, long := size(20), size(40); short != long {
		t.Errorf("machines, days, versions: %v after 20 days, %v after 40", short, long)
	}
}

func TestReadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, []Log{{"log", strings.NewReader(written)}}, options(latest)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestNothing: what there is nothing of is there in JSON too.
func TestNothing(t *testing.T) {
	text, err := json.Marshal(read(t, options(latest), ""))
	want := `{"from":"","to":"","window_days":14,"active_machines":0,"missing_machines":0,"versions":[],"rollouts":[],"adoption":[],` +
		`"missing":[],"served":[],"requests":{"total":0,"anonymous":0,"failed":0,"damaged_lines":0,"late":0,"surplus":0},"broken_logs":[],"channels":[]}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{otherWord, unknownWord, "5.0.0-alpha.2", "5.0.0-alpha.10", "5.0.0", "5.10.0"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := compareVersions(a, b); got != cmp.Compare(i, j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	log := sampleLog(1000, 30)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(b.Context(), []Log{{"log", bytes.NewReader(log)}}, options(latest)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(bytes.Count(log, []byte("\n")))*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
