// SPDX-License-Identifier: LGPL-2.1-or-later

package publish

import (
	"context"
	"fmt"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/policy"
)

// Promotion offers a version to percent of the machines of a channel.
type Promotion struct {
	Version policy.Version
	Channel string
	Percent int
	// AllowOlder: the channel may go back, and what part of it is offered may
	// be taken away.
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
	changed, err := file.Promote(o.Channel, o.Version, o.Percent)
	if err != nil {
		return channels.Channel{}, err
	}
	before, _ := file.Channel(o.Channel)
	if err := o.allowed(before.Rollout); err != nil {
		return channels.Channel{}, err
	}
	document, err := p.newDocument(changed)
	if err != nil {
		return channels.Channel{}, err
	}
	if err := p.judgeOffered(ctx, o.Version, document); err != nil {
		return channels.Channel{}, err
	}
	if err := p.Root.ReplaceFile(p.ChannelsFile, changed.Text()); err != nil {
		return channels.Channel{}, err
	}
	after, _ := changed.Channel(o.Channel)
	if document.IsZero() {
		return after, nil
	}
	return after, p.Root.Offer(document)
}

// allowed fails when machines would be offered less than before, unless that is
// what is wanted.
func (o Promotion) allowed(before channels.Rollout) error {
	order := o.Version.Compare(before.Version)
	unfinished := 0 < before.Percent && before.Percent < 100
	switch {
	case o.AllowOlder:
		return nil
	case order < 0:
		return fmt.Errorf("%s: %w: %s", o.Version, ErrOlder, before.Version)
	case order == 0 && o.Percent < before.Percent, order > 0 && unfinished && o.Percent < 100:
		// Another version has other machines for its first.
		return fmt.Errorf("%s to %d %%: %w: %s to %d %%", o.Version, o.Percent, ErrTakesAway, before.Version, before.Percent)
	}
	return nil
}

// newDocument is the version that the version document has to be replaced to
// offer, zero when it stays as it is.
func (p *Publisher) newDocument(changed *channels.File) (policy.Version, error) {
	stable, _ := changed.Channel(channels.Stable)
	settled := stable.Settled()
	document, err := p.document()
	switch {
	case settled.IsZero():
		return policy.Version{}, err // there is nothing to replace it with
	case err == nil && settled.Compare(document) == 0:
		return policy.Version{}, nil
	}
	// One that cannot be read offers nothing and is replaced too.
	return settled, nil
}

// judgeOffered fails unless what is about to be offered is there and as it
// should be: the promoted version, and that of the new version document, which
// is another one while there is a rest.
func (p *Publisher) judgeOffered(ctx context.Context, promoted, document policy.Version) error {
	if err := p.judge(ctx, promoted, p.Root.Release(promoted)); err != nil {
		return err
	}
	if document.IsZero() || document.Compare(promoted) == 0 {
		return nil
	}
	if !p.Root.Has(document) {
		return fmt.Errorf("%s, which stable is offered, %w", document, ErrNotThere)
	}
	return p.judge(ctx, document, p.Root.Release(document))
}
