// SPDX-License-Identifier: LGPL-2.1-or-later

package publish

import (
	"slices"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/policy"
)

// Pruned is what was removed, or would be.
type Pruned struct {
	Versions []policy.Version
	// Patches are from the first to the second version, whose base is among
	// Versions.
	Patches [][2]policy.Version
}

// Prune removes releases: not the newest keep, not what is offered, not the
// bases of the patches of either. With dry nothing is removed.
func (p *Publisher) Prune(keep int, dry bool) (r Pruned, err error) {
	err = p.change(func() error {
		if r, err = p.plan(keep); err != nil || dry {
			return err
		}
		// A patch goes before its base: there is never one without.
		for _, patch := range r.Patches {
			if err := p.Root.RemovePatch(patch[0], patch[1]); err != nil {
				return err
			}
		}
		for _, v := range r.Versions {
			if err := p.Root.Remove(v); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// plan says what is to be removed.
func (p *Publisher) plan(keep int) (r Pruned, err error) {
	versions, err := p.Root.Versions()
	if err != nil {
		return r, err
	}
	stays, err := p.offered()
	if err != nil {
		return r, err
	}
	stays = append(stays, versions[:min(keep, len(versions))]...)
	bases := []policy.Version{}
	for _, v := range stays {
		if from, err := p.Root.PatchesTo(v); err == nil {
			bases = append(bases, from...)
		}
	}
	stays = append(stays, bases...)
	for _, v := range versions {
		if !contains(stays, v) {
			r.Versions = append(r.Versions, v)
		}
	}
	for _, to := range versions {
		from, err := p.Root.PatchesTo(to)
		if err != nil {
			return r, err
		}
		for _, f := range from {
			if contains(r.Versions, f) && !contains(r.Versions, to) {
				r.Patches = append(r.Patches, [2]policy.Version{f, to})
			}
		}
	}
	return r, nil
}

// offered are the versions that some machine is offered.
func (p *Publisher) offered() ([]policy.Version, error) {
	// Without the file nobody knows, and it has to be there.
	file, err := channels.Load(p.ChannelsFile)
	if err != nil {
		return nil, err
	}
	document, err := p.document()
	return append(file.Versions(), document), err
}

func contains(list []policy.Version, v policy.Version) bool {
	return slices.ContainsFunc(list, func(o policy.Version) bool { return o.Compare(v) == 0 })
}
