// SPDX-License-Identifier: LGPL-2.1-or-later

// Package channels is the file that says who is offered what.
//
// # The file
//
//	product = "clipos"                     # os_name of its config.toml
//
//	[channel.stable]                       # every machine that is listed nowhere
//	version = "5.1.0"
//	percent = 10                           # of its machines see version,
//	previous = "5.0.0"                     # the rest still this
//
//	[channel.beta]
//	machines = ["0123456789abcdef0123456789abcdef"]
//	version = "5.2.0-beta.1"
//
// The channel "stable" is always there, in the file or not, and lists no
// machines. A machine is in one channel. percent is 100 when it is left out;
// below 100 there is a previous version for the rest. A channel without a
// version is offered what stable is. Unknown keys are errors.
//
// # Which machines
//
// The hash of machine id and version decides, so that a machine stays with its
// answer as the percentage grows, and that the first of one release are not the
// first of the next ([Rollout.Offers]). It is what nginx does (package nginx)
// with
//
//	split_clients "${updater_machine}5.1.0" $v { 10% "5.1.0"; * "5.0.0"; }
//
// # Who takes part
//
// The release engineer writes the file; [File.Promote] changes versions and
// percentages in it and leaves everything else as it was written. It lies
// outside the web root: which machines are whose test machines is nobody's
// business. A server without rules for channels serves the version document,
// which is [Rollout.Settled] of stable.
package channels

import (
	"maps"
	"slices"
	"strings"

	"github.com/clipos/updater/policy"
)

// Stable is the channel of all machines that are in no other.
const Stable = "stable"

// File is a file of channels that was read.
type File struct {
	// Product is os_name of its machines' config.toml.
	Product string
	// channels has at least Stable, by name.
	channels map[string]Channel
	name     string
	text     []byte
}

// Channel is a set of machines that are offered the same.
type Channel struct {
	Name string
	// Machines are their ids in small letters, in the order of the file; none
	// for stable.
	Machines []string
	// Rollout is what they are offered. Inherited: stable's, since the channel
	// has none of its own.
	Rollout
	Inherited bool
}

// Rollout is one version on its way to the machines of a channel. The zero
// value offers nothing.
type Rollout struct {
	Version policy.Version
	// Percent of the machines see Version, from 0 to 100, the rest Previous,
	// which is zero when there is no rest.
	Percent  int
	Previous policy.Version
}

// Channels returns all channels, stable first and the rest by name.
func (f *File) Channels() []Channel {
	all := slices.Collect(maps.Values(f.channels))
	slices.SortFunc(all, func(a, b Channel) int {
		switch {
		case a.Name == Stable:
			return -1
		case b.Name == Stable:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

// Channel returns a channel by its name.
func (f *File) Channel(name string) (Channel, bool) {
	c, found := f.channels[name]
	return c, found
}

// Of returns the channel of a machine; whatever is no listed machine's id is in
// stable.
func (f *File) Of(machineID string) Channel {
	machineID = strings.ToLower(machineID)
	for _, c := range f.channels {
		if slices.Contains(c.Machines, machineID) {
			return c
		}
	}
	return f.channels[Stable]
}

// Versions returns every version that some machine is offered, the newest
// first, each once.
func (f *File) Versions() []policy.Version {
	var all []policy.Version
	for _, c := range f.channels {
		for _, v := range []policy.Version{c.Version, c.Previous} {
			if !v.IsZero() {
				all = append(all, v)
			}
		}
	}
	slices.SortFunc(all, func(a, b policy.Version) int { return b.Compare(a) })
	return slices.CompactFunc(all, func(a, b policy.Version) bool { return a.Compare(b) == 0 })
}

// Settled is the version that every machine of the channel may see: what the
// rest sees, while there is one.
func (r Rollout) Settled() policy.Version {
	if r.Percent < 100 {
		return r.Previous
	}
	return r.Version
}

// Offers is the version that a machine is offered. machineID is taken as the
// machine sent it; who sends no machine's id sees what all may see.
func (r Rollout) Offers(machineID string) policy.Version {
	if !machineForm.MatchString(strings.ToLower(machineID)) {
		return r.Settled()
	}
	if r.Percent >= 100 || murmur2(machineID+r.Version.String()) < limit(r.Percent) {
		return r.Version
	}
	return r.Previous
}
