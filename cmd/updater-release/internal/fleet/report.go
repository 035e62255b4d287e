// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/clipos/updater/policy"
)

// Report is what the logs tell. Its JSON is the output of the program: names
// do not change.
type Report struct {
	// From and To are the first and the last request.
	From Moment `json:"from"`
	To   Moment `json:"to"`
	// WindowDays is how long ago an active machine was seen at most, counted
	// in days that end with the last request.
	WindowDays int `json:"window_days"`
	// Active and Missing are all machines.
	Active  int `json:"active_machines"`
	Missing int `json:"missing_machines"`
	// Versions of the active machines, the newest first.
	Versions []Version `json:"versions"`
	Rollouts []Rollout `json:"rollouts"`
	// Adoption has every day, the oldest first.
	Adoption []Adoption `json:"adoption"`
	// Absent are the missing machines, the longest missing first.
	Absent   []Absent `json:"missing"`
	Served   []Served `json:"served"`
	Requests Requests `json:"requests"`
	Broken   []Broken `json:"broken_logs"`
	Channels []string `json:"channels"`
}

// Moment is a time that may be none, which in JSON is the empty text.
type Moment struct{ time.Time }

// MarshalJSON writes the time as RFC 3339 does.
func (m Moment) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte(`""`), nil
	}
	return m.Time.MarshalJSON()
}

// Version is how many active machines run one.
type Version struct {
	Version  string         `json:"version"`
	Machines int            `json:"machines"`
	Channels map[string]int `json:"channels"`
}

// Rollout is how far a version has come among the active machines that it was
// offered to at last.
type Rollout struct {
	Version string `json:"version"`
	Channel string `json:"channel"`
	// Offered machines are Running (it or a newer one) or waiting; those that
	// have waited StuckDays are Stuck.
	Offered int `json:"offered"`
	Running int `json:"running"`
	Stuck   int `json:"stuck"`
}

// StuckDays is after how many days an offer should have been taken.
const StuckDays = 7

// Adoption is the active machines at the end of a day, by version.
type Adoption struct {
	Day      string         `json:"day"`
	Machines map[string]int `json:"machines"`
}

// Absent is a machine that is missing.
type Absent struct {
	Machine  string    `json:"machine"`
	LastSeen time.Time `json:"last_seen"`
	Version  string    `json:"version"`
	Channel  string    `json:"channel"`
}

// Served is what was sent on a day.
type Served struct {
	Day   string           `json:"day"`
	Kinds map[Kind]Traffic `json:"kinds"`
}

// Traffic is requests and the bytes of their answers, headers left out.
type Traffic struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
}

// Requests are counted by what there is to say about them.
type Requests struct {
	Total int `json:"total"`
	// Anonymous told no machine.
	Anonymous int `json:"anonymous"`
	// Failed were answered with a status of 400 or more; that there is no patch
	// or compressed image is no failure.
	Failed int `json:"failed"`
	// Damaged lines are none of Total.
	Damaged int `json:"damaged_lines"`
	// Late ones are more than an hour older than one before them: their log is
	// not in order, and what Adoption says about their day is too little.
	Late int `json:"late"`
	// Surplus are of machines beyond the limit.
	Surplus int `json:"surplus"`
}

// Broken is a log that could not be read to its end.
type Broken struct {
	Log   string `json:"log"`
	Error string `json:"error"`
}

func (c *count) report() *Report {
	r := &Report{
		WindowDays: int(c.window), Broken: append([]Broken{}, c.broken...), Versions: []Version{}, Rollouts: []Rollout{},
		Adoption: []Adoption{}, Absent: []Absent{}, Served: c.served(), Channels: []string{},
		Requests: c.requests,
	}
	if c.requests.Total == 0 {
		return r
	}
	r.From, r.To = Moment{time.Unix(c.from, 0).UTC()}, Moment{time.Unix(c.to, 0).UTC()}
	c.judgeMachines(r)
	last := adoptionDay{dayOf(c.to), c.active(dayOf(c.to))}
	for _, d := range append(slices.Clip(c.adoption), last) {
		r.Adoption = append(r.Adoption, Adoption{d.day.date(), c.byVersion(d.machines)})
	}
	return r
}

// byVersion gives counts their versions.
func (c *count) byVersion(machines []int) map[string]int {
	counts := map[string]int{}
	for v, n := range machines {
		if n > 0 {
			counts[c.versions.texts[v]] = n
		}
	}
	return counts
}

func (c *count) served() []Served {
	list := []Served{}
	for d := dayOf(c.from); d <= dayOf(c.to) && c.requests.Total > 0; d++ {
		kinds := c.traffic[d]
		if kinds == nil {
			kinds = map[Kind]Traffic{}
		}
		list = append(list, Served{d.date(), kinds})
	}
	return list
}

// judgeMachines puts every machine where it belongs.
func (c *count) judgeMachines(r *Report) {
	versions, rollouts := map[name]*Version{}, map[[2]name]*Rollout{}
	for id, m := range c.machines {
		channel := c.channels.texts[m.channel]
		if c.isOver(dayOf(m.seenUnix)) {
			r.Missing++
			r.Absent = append(r.Absent, Absent{id.String(), time.Unix(m.seenUnix, 0).UTC(), c.versions.texts[m.version], channel})
			continue
		}
		r.Active++
		v := versions[m.version]
		if v == nil {
			v = &Version{Version: c.versions.texts[m.version], Channels: map[string]int{}}
			versions[m.version] = v
		}
		v.Machines++
		v.Channels[channel]++
		if m.offered >= firstName {
			c.roll(rollouts, m)
		}
	}
	c.sort(r, versions, rollouts)
}

// roll counts a machine that was offered something.
func (c *count) roll(rollouts map[[2]name]*Rollout, m machine) {
	key := [2]name{m.offered, m.channel}
	roll := rollouts[key]
	if roll == nil {
		roll = &Rollout{Version: c.versions.texts[m.offered], Channel: c.channels.texts[m.channel]}
		rollouts[key] = roll
	}
	roll.Offered++
	switch {
	case compareVersions(c.versions.texts[m.version], roll.Version) >= 0:
		roll.Running++
	case dayOf(c.to)-m.offeredOn >= StuckDays:
		roll.Stuck++
	}
}

// sort puts what was counted by name in the order of the report.
func (c *count) sort(r *Report, versions map[name]*Version, rollouts map[[2]name]*Rollout) {
	channels := map[string]bool{}
	for _, v := range versions {
		r.Versions = append(r.Versions, *v)
		for channel := range v.Channels {
			channels[channel] = true
		}
	}
	r.Channels = slices.Sorted(maps.Keys(channels))
	for _, roll := range rollouts {
		r.Rollouts = append(r.Rollouts, *roll)
	}
	slices.SortFunc(r.Versions, func(a, b Version) int { return compareVersions(b.Version, a.Version) })
	slices.SortFunc(r.Rollouts, func(a, b Rollout) int {
		return cmp.Or(compareVersions(b.Version, a.Version), cmp.Compare(a.Channel, b.Channel))
	})
	slices.SortFunc(r.Absent, func(a, b Absent) int {
		return cmp.Or(a.LastSeen.Compare(b.LastSeen), cmp.Compare(a.Machine, b.Machine))
	})
}

// compareVersions is the order of versions; the words that are none come
// before all of them.
func compareVersions(a, b string) int {
	va, _ := policy.ParseVersion(a)
	vb, _ := policy.ParseVersion(b)
	return cmp.Or(va.Compare(vb), cmp.Compare(a, b))
}
