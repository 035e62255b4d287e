// SPDX-License-Identifier: LGPL-2.1-or-later

package publish

import (
	"context"
	"fmt"

	"github.com/clipos/updater/cmd/updater-release/internal/audit"
	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/policy"
)

// Promotion offers a version to percent of the machines of a channel.
type Promotion struct {
	Version policy.Version
	Channel string
	Percent int
	// AllowOlder: the channel may go back.
	AllowOlder bool
}

// Promote carries a promotion out and returns the channel as it is then.
func (p *Publisher) Promote(ctx context.Context, o Promotion) (c channels.Channel, err error) {
	err = p.change(func() error {
		c, err = p.promote(ctx, o)
		return err
	})
	return c, err
}

func (p *Publisher) promote(ctx context.Context, o Promotion) (channels.Channel, error) {
	if !p.Root.Has(o.Version) {
		return channels.Channel{}, fmt.Errorf("%s %w", o.Version, ErrNotThere)
	}
	file, err := channels.LoadOrNew(p.ChannelsFile, p.Root.Product)
	if err != nil {
		return channels.Channel{}, err
	}
	before, _ := file.Channel(o.Channel)
	if o.Version.Compare(before.Version) < 0 && !o.AllowOlder {
		return channels.Channel{}, fmt.Errorf("%s: %w: %s", o.Version, ErrOlder, before.Version)
	}
	changed, err := file.Promote(o.Channel, o.Version, o.Percent)
	if err != nil {
		return channels.Channel{}, err
	}
	if err := p.judge(ctx, o.Version, p.Root.Release(o.Version)); err != nil {
		return channels.Channel{}, err
	}
	if err := p.Root.ReplaceFile(p.ChannelsFile, changed.Text()); err != nil {
		return channels.Channel{}, err
	}
	after, _ := changed.Channel(o.Channel)
	stable, _ := changed.Channel(channels.Stable)
	document, err := p.document()
	settled := stable.Settled()
	if err != nil || !settled.IsZero() && settled.Compare(document) != 0 {
		// One that cannot be read offers nothing and is replaced too.
		return after, p.Root.Offer(settled)
	}
	return after, nil
}

// asError is nil when nothing was found.
func asError(findings []audit.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	return &FindingsError{findings}
}
