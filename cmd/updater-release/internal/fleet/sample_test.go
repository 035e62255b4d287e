// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"
)

// began is the first day of the sample.
var began = time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC)

// sampleMachine is one of a made-up fleet.
type sampleMachine struct {
	id      MachineID
	channel string
	version string
	// secondOfDay is when it asks; lastDay when it was seen last.
	secondOfDay, lastDay int
	// lazy machines install late.
	lazy bool
}

// release is a version on its way in the sample: on the day its channel's
// machines begin to see it, more of them every day.
type release struct {
	version   string
	channel   string
	day, days int
}

var sampleReleases = []release{
	{"5.0.1", "stable", 3, 6},
	{"5.1.0-beta.1", "beta", 8, 1},
	{"5.1.0-beta.2", "beta", 15, 1},
	{"5.1.0", "beta", 20, 1},
	{"5.1.0", "stable", 22, 12},
	{"5.2.0-alpha.1", "alpha", 26, 1},
	{"5.2.0-alpha.2", "alpha", 33, 1},
}

// writeSample writes the log of a fleet over so many days, in order.
func writeSample(w io.Writer, machines, days int) {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]sampleMachine, machines)
	for i := range all {
		m := &all[i]
		for j := range m.id {
			m.id[j] = byte(r.Uint32())
		}
		m.channel, m.version = "stable", "5.0.0"
		if n := i % 50; n < 4 {
			m.channel = "beta"
		} else if n == 4 {
			m.channel = "alpha"
		}
		m.secondOfDay, m.lastDay, m.lazy = i*secondsPerDay/machines, days, r.IntN(40) == 0
		if r.IntN(60) == 0 {
			m.lastDay = r.IntN(days)
		}
	}
	for day := range days {
		for i := range all {
			if m := &all[i]; day <= m.lastDay && r.IntN(12) > 0 {
				m.ask(w, day)
			}
		}
	}
}

// ask writes what a machine asks for on a day: after an offer it fetches and
// comes back with the new version the next day.
func (m *sampleMachine) ask(w io.Writer, day int) {
	offered := "5.0.0"
	for _, r := range sampleReleases {
		if r.channel == m.channel && m.share(r.version) < float64(day-r.day+1)/float64(r.days) {
			offered = r.version
		}
	}
	m.line(w, day, offered, "/update/v1/clipos/version", 200, 18)
	if offered == m.version || m.lazy && m.share(offered+"lazy") < 0.9 {
		return
	}
	base := "/dist/" + offered + "/clipos-core"
	m.line(w, day, offered, base+".sig", 200, 330)
	m.line(w, day, offered, "/dist/"+offered+"/clipos-efiboot.sig", 200, 330)
	switch share := m.share("way"); {
	case share < 0.85:
		m.line(w, day, offered, base+".from-"+m.version+".patch", 200, 6_900_000)
	case share < 0.97:
		m.line(w, day, offered, base+".zst", 200, 224_000_000)
	default:
		m.line(w, day, offered, base, 206, 599_000_000)
	}
	m.line(w, day, offered, "/dist/"+offered+"/clipos-efiboot", 200, 31_000_000)
	m.version = offered
}

// share is where in a rollout a machine is, from 0 to 1.
func (m *sampleMachine) share(of string) float64 {
	h := fnv.New32a()
	h.Write(m.id[:])
	io.WriteString(h, of)
	return float64(h.Sum32()) / (1 << 32)
}

func (m *sampleMachine) line(w io.Writer, day int, offered, path string, status, bytes int) {
	at := began.Add(time.Duration(day*secondsPerDay+m.secondOfDay) * time.Second)
	fmt.Fprintf(w, `{"time":"%s","machine":"%s","version":"%s","channel":"%s","offered":"%s","method":"GET","path":"%s","status":"%d","bytes":%d}`+"\n",
		at.Format(time.RFC3339), m.id, m.version, m.channel, offered, path, status, bytes)
}

// sampleLog is writeSample's log.
func sampleLog(machines, days int) []byte {
	var b bytes.Buffer
	writeSample(&b, machines, days)
	return b.Bytes()
}
