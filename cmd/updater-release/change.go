// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/publish"
	"github.com/clipos/updater/policy"
)

// The verbs that change the web root.

// fileObject is a file that was added.
type fileObject struct {
	Name      string `json:"name"`
	SizeBytes int64  `json:"size_bytes"`
}

// add makes a release of two payloads.
func add(flags *flag.FlagSet) action {
	var a publish.Addition
	var key keyOptions
	var work workOptions
	key.define(flags)
	work.define(flags)
	pubkey := flags.String("pubkey", defaultPubkey, "")
	flags.StringVar(&a.Core, "core", "", "")
	flags.StringVar(&a.Efiboot, "efiboot", "", "")
	a.Patches = 3
	flags.Func("patches", "", parseNumber(&a.Patches, 0, 1000))
	flags.IntVar(&a.Level, "level", 0, "")
	flags.Func("boot-order", "", parseBootOrder(&a.RefuseBootOrder))
	offer := promotionOptions{channel: ""}
	offer.define(flags)
	return func(ctx context.Context, s *session) (err error) {
		if a.Version, err = policy.ParseVersion(s.argument); err != nil {
			return err
		}
		if a.Core == "" || a.Efiboot == "" {
			return hinted{errors.New("a release has two payloads"), "--core FILE --efiboot FILE"}
		}
		root, _, err := s.root()
		if err != nil {
			return err
		}
		if a.Key, err = key.load(ctx, s); err != nil {
			return err
		}
		defer a.Key.Wipe()
		required := offer.channel != "" || isGiven(flags, "pubkey")
		judge, err := s.signerJudge(root.Product, a.Key, *pubkey, required, work)
		if err != nil {
			return err
		}
		p := s.publisher(root, judge, work)
		files, err := p.Add(ctx, a)
		if err != nil {
			return s.failed(err)
		}
		if err := s.added(a.Version, files); err != nil || offer.channel == "" {
			return err
		}
		return offer.do(ctx, s, p, a.Version)
	}
}

func parseBootOrder(refuse *bool) func(string) error {
	return func(text string) error {
		*refuse = text == "refuse"
		if !*refuse && text != "set-default" {
			return errors.New("neither set-default nor refuse, as in config.toml")
		}
		return nil
	}
}

// added says what there is now.
func (s *session) added(v policy.Version, files []publish.File) error {
	object := struct {
		Version string       `json:"version"`
		Files   []fileObject `json:"files"`
	}{Version: v.String()}
	var lines []string
	for _, f := range files {
		object.Files = append(object.Files, fileObject(f))
		lines = append(lines, fmt.Sprintf("%s (%s)", f.Name, console.Size(f.SizeBytes)))
	}
	return s.out.Answer(object, fmt.Sprintf("%s is published: %s", v, strings.Join(lines, ", ")))
}

// failed prints what was found, if that is the error.
func (s *session) failed(err error) error {
	var found *publish.FindingsError
	if errors.As(err, &found) {
		return errors.Join(s.print(found.Findings), err)
	}
	return explain(err)
}

// promotionOptions say who is offered a version.
type promotionOptions struct {
	channel string
	percent int
	older   bool
}

func (o *promotionOptions) define(flags *flag.FlagSet) {
	flags.StringVar(&o.channel, "channel", o.channel, "")
	o.percent = 100
	flags.Func("percent", "", parseNumber(&o.percent, 0, 100))
	flags.BoolVar(&o.older, "allow-older", false, "")
}

func (o *promotionOptions) do(ctx context.Context, s *session, p *publish.Publisher, v policy.Version) error {
	c, err := p.Promote(ctx, publish.Promotion{Version: v, Channel: o.channel, Percent: o.percent, AllowOlder: o.older})
	if err != nil {
		return s.failed(err)
	}
	return s.out.Answer(newChannelObject(c), "channel "+c.Name+": "+offers(c))
}

// promote offers a version to the machines of a channel.
func promote(flags *flag.FlagSet) action {
	o := promotionOptions{channel: channels.Stable}
	o.define(flags)
	var work workOptions
	work.define(flags)
	pubkey := flags.String("pubkey", defaultPubkey, "")
	return func(ctx context.Context, s *session) error {
		v, err := policy.ParseVersion(s.argument)
		if err != nil {
			return err
		}
		root, _, err := s.root()
		if err != nil {
			return err
		}
		judge, err := s.judge(root.Product, *pubkey, work)
		if err != nil {
			return err
		}
		return o.do(ctx, s, s.publisher(root, judge, work), v)
	}
}

// patchObject is a patch between two versions.
type patchObject struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// prune removes old releases.
func prune(flags *flag.FlagSet) action {
	keep := flags.Int("keep", 0, "")
	dry := flags.Bool("dry-run", false, "")
	return func(_ context.Context, s *session) error {
		if *keep < 1 {
			return hinted{errors.New("how many releases are to be kept?"), "--keep N, at least 1"}
		}
		root, _, err := s.root()
		if err != nil {
			return err
		}
		r, err := s.publisher(root, nil, workOptions{}).Prune(*keep, *dry)
		if err != nil {
			return explain(err)
		}
		return s.pruned(r, *dry)
	}
}

func (s *session) pruned(r publish.Pruned, dry bool) error {
	object := struct {
		Removed []string      `json:"removed"`
		Patches []patchObject `json:"removed_patches"`
		DryRun  bool          `json:"dry_run"`
	}{Removed: []string{}, Patches: []patchObject{}, DryRun: dry}
	done := "removed"
	if dry {
		done = "would be removed"
	}
	lines := []string{}
	for _, p := range r.Patches {
		object.Patches = append(object.Patches, patchObject{p[0].String(), p[1].String()})
		lines = append(lines, fmt.Sprintf("patch from %s to %s: %s", p[0], p[1], done))
	}
	for _, v := range r.Versions {
		object.Removed = append(object.Removed, v.String())
		lines = append(lines, fmt.Sprintf("%s: %s", v, done))
	}
	if len(lines) == 0 {
		lines = []string{"nothing to remove"}
	}
	return s.out.Answer(object, strings.Join(lines, "\n"))
}
