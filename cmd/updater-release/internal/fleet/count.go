// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

// machine is what is remembered of one.
type machine struct {
	seenUnix                  int64 // the last request
	version, channel, offered name
	// offeredOn is the day on which what it is offered was offered first.
	offeredOn day
}

// count is what has been read so far. The entries come in the order of time,
// but for the little that servers write out of order.
type count struct {
	limits             Limits
	window             day // how many days it has
	versions, channels *names
	machines           map[MachineID]machine
	from, to           int64 // seconds of the first and the last entry
	// seen counts, by day, the machines that were seen last on it, by version.
	// Of the days before the window nothing is needed.
	seen map[day][]int
	// adoption is seen at the end of each day but the last.
	adoption []adoptionDay
	traffic  map[day]map[Kind]Traffic

	requests Requests
	broken   []Broken
}

// adoptionDay counts the active machines at the end of a day, by version.
type adoptionDay struct {
	day      day
	machines []int
}

func newCount(o Options) *count {
	return &count{
		limits:   o.Limits,
		window:   day(o.Days), //nolint:gosec // the program takes at most 3660
		versions: newNames(o.Limits.Names, canonicalVersion),
		channels: newNames(o.Limits.Names, canonicalChannel),
		machines: map[MachineID]machine{},
		seen:     map[day][]int{},
		traffic:  map[day]map[Kind]Traffic{},
	}
}

func (c *count) add(e *entry) {
	c.requests.Total++
	if e.failed {
		c.requests.Failed++
	}
	c.serve(e)
	c.pass(e.unix)
	if e.machine == (MachineID{}) {
		c.requests.Anonymous++
		return
	}
	before, known := c.machines[e.machine]
	switch {
	case !known && len(c.machines) >= c.limits.Machines:
		c.requests.Surplus++
	case known && e.unix < before.seenUnix:
		// A newer request has told more.
	default:
		c.see(e, before, known)
	}
}

// lateSeconds is how much older than the entry before it one may be: servers
// buffer what they write, and their clocks differ.
const lateSeconds = 60 * 60

// pass lets the days end that are over at a time.
func (c *count) pass(unix int64) {
	if c.from == 0 {
		c.from, c.to = unix, unix
	}
	c.from = min(c.from, unix)
	if unix < c.to-lateSeconds {
		c.requests.Late++
	}
	for d := dayOf(c.to); d < dayOf(unix); d++ {
		c.adoption = append(c.adoption, adoptionDay{d, c.active(d)})
		delete(c.seen, d-c.window+1)
	}
	c.to = max(c.to, unix)
}

// active counts the machines seen in the window that ends with day d, by
// version.
func (c *count) active(d day) []int {
	sum := make([]int, len(c.versions.texts))
	for i := range c.window {
		for v, n := range c.seen[d-i] {
			sum[v] += n
		}
	}
	return sum
}

// isOver tells that a day is before the window that ends with the last entry.
func (c *count) isOver(d day) bool { return d <= dayOf(c.to)-c.window }

// see takes over what a machine told.
func (c *count) see(e *entry, before machine, known bool) {
	now := before
	now.seenUnix = e.unix
	// First of all, so that a machine which runs what is offered tells nothing new.
	offered := c.versions.own(e.offered)
	if version := c.versions.number(e.version); version != noName {
		now.version = version
	}
	if channel := c.channels.number(e.channel); channel != noName {
		now.channel = channel
	}
	if offered != noName && offered != now.offered {
		now.offered, now.offeredOn = offered, dayOf(e.unix)
	}
	if known {
		c.move(before, -1)
	}
	c.move(now, 1)
	c.machines[e.machine] = now
}

// move changes what seen says by a machine.
func (c *count) move(m machine, by int) {
	d := dayOf(m.seenUnix)
	if c.isOver(d) {
		return
	}
	if missing := len(c.versions.texts) - len(c.seen[d]); missing > 0 {
		c.seen[d] = append(c.seen[d], make([]int, missing)...)
	}
	c.seen[d][m.version] += by
}

// serve counts what was sent.
func (c *count) serve(e *entry) {
	d := dayOf(e.unix)
	kinds := c.traffic[d]
	if kinds == nil {
		kinds = map[Kind]Traffic{}
		c.traffic[d] = kinds
	}
	t := kinds[e.kind]
	t.Requests++
	t.Bytes += e.bytes
	kinds[e.kind] = t
}
