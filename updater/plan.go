// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// Blocker is a reason why the daemon does not install by itself now.
type Blocker = policy.Blocker

// Plan is what an update would do.
type Plan struct {
	// Version would be installed.
	Version string
	// Method is how its core image would be had. Should it fail, another follows.
	Method Method
	// DownloadBytes are still to be fetched, 0 also when the server does not
	// say; ReuseBytes are in the cache already; WriteBytes go to the volume
	// and the EFI system partition, 0 when not known.
	DownloadBytes, ReuseBytes, WriteBytes int64
	// Volume and Entry are the names of the new volume and boot entry.
	Volume, Entry string
	// ReplacedVolume would be renamed and overwritten, empty when a new one is
	// created; Reason says why this one. ReplacedEntries would be removed.
	ReplacedVolume, Reason string
	ReplacedEntries        []string
	// CacheBytes, ESPBytes and GroupBytes are the room that is needed beyond
	// what the update itself frees: in the cache, the EFI system partition
	// and the volume group.
	CacheBytes, ESPBytes, GroupBytes int64
	// Blockers are why the daemon would not do it by itself now.
	Blockers []Blocker
}

// Plan tells what an update to version, or to the newest release when version
// is empty, would do. It asks the server as far as the signatures and the
// sizes, and changes nothing, not even the record of when the server was asked.
// Its errors are those of Update, as far as they are known without the payloads;
// room in the cache and the EFI system partition is not among them.
func (u *Updater) Plan(ctx context.Context, version string) (Plan, error) {
	r := u.newRun(nil)
	p, err := r.planUpdate(ctx, version)
	return p, r.failed(ctx, err)
}

func (r *run) planUpdate(ctx context.Context, version string) (Plan, error) {
	asked := version != ""
	if !asked {
		offered, err := r.server.offered(ctx)
		if err != nil {
			return Plan{}, err
		}
		version = offered.String()
	}
	a, err := r.check(ctx, version)
	if err != nil {
		return Plan{}, err
	}
	a.asked = asked
	s, err := r.fetchSignatures(ctx, a)
	if err != nil {
		return Plan{}, err
	}
	o, err := r.offers(ctx, s)
	if err != nil {
		return Plan{}, err
	}
	d, err := r.survey(ctx)
	if err != nil {
		return Plan{}, err
	}
	return r.describePlan(d, o)
}

func (r *run) describePlan(d disk, o offer) (Plan, error) {
	v := o.version
	efibootBytes, coreBytes := o.efibootBytes, o.coreBytes
	if efibootBytes < 0 || coreBytes < 0 {
		efibootBytes, coreBytes = 0, 0
	}
	target, _, err := r.target(d, v)
	if err != nil {
		return Plan{}, err
	}
	c := &claimed{verified: &verified{&fetched{version: v}}, target: target}
	_, freed := r.split(d, c)
	p := Plan{
		Version: v.String(), Volume: volumeName(v), Entry: r.entryName(v).String(),
		Reason: target.Reason, ReplacedEntries: c.stale,
	}
	if target.Replaces.IsZero() {
		p.GroupBytes = newVolumeBytes(d, coreBytes)
	} else {
		p.ReplacedVolume = volumeName(target.Replaces)
	}
	p.ESPBytes = max(0, roundUp(efibootBytes, d.entries.BlockBytes)-freed)
	p.WriteBytes = efibootBytes + coreBytes
	if err := r.countDownload(&p, o); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// countDownload tells what is to be fetched, and how much unless the server does
// not say.
func (r *run) countDownload(p *Plan, o offer) error {
	p.Method = o.forms[0].method
	if o.downloadBytes() == 0 {
		return nil
	}
	for kind, size := range map[payloadKind]int64{kindEFIBoot: o.efibootBytes, o.forms[0].kind: o.forms[0].sizeBytes} {
		have, err := r.cache.ReusableBytes(cacheName(o.version, kind), size)
		if err != nil {
			return err
		}
		p.ReuseBytes += have
		p.DownloadBytes += size - have
	}
	p.CacheBytes = p.DownloadBytes
	return nil
}

// newVolumeBytes is what a new volume takes of its group.
func newVolumeBytes(d disk, imageBytes int64) int64 {
	if d.volumes.Sparse {
		return imageBytes
	}
	return d.volumes.NewSizeBytes
}

// entryName is the name that a version's boot entry is given.
func (u *Updater) entryName(v policy.Version) efi.Name {
	name := efi.Name{Product: u.config.OSName, Version: v.String()}
	if n := u.config.EFIBoot.BootTries; n > 0 {
		name.Counted, name.TriesLeft = true, n
	}
	return name
}
