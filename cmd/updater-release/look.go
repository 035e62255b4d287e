// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/audit"
	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// The verbs that look at the web root.

// findingObject is something that is not as it should be.
type findingObject struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// print prints findings, a line each.
func (s *session) print(findings []audit.Finding) error {
	if s.json {
		objects := []findingObject{}
		for _, f := range findings {
			objects = append(objects, findingObject(f))
		}
		return s.out.Object(struct {
			Findings []findingObject `json:"findings"`
		}{objects})
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(s.out, s.out.Paint(console.Bad, console.Clean(f.String()))); err != nil {
			return err
		}
	}
	return nil
}

// verify judges the whole web root.
func verify(flags *flag.FlagSet) action {
	var work workOptions
	work.define(flags)
	pubkey := flags.String("pubkey", defaultPubkey, "")
	return func(ctx context.Context, s *session) error {
		root, file, err := s.root()
		if err != nil {
			return err
		}
		judge, err := s.judge(root.Product, *pubkey, work)
		if err != nil {
			return err
		}
		progress := s.progress()
		progress.Begin("verify " + s.webroot)
		a := &audit.Auditor{Root: root, Judge: judge, Workers: work.bounded(), Progress: progress.Done}
		findings, err := a.All(ctx, file, s.channels)
		if err != nil {
			return err
		}
		progress.End(number(len(findings)))
		if err := s.print(findings); err != nil || len(findings) == 0 {
			return err
		}
		return errFindings
	}
}

// number says how much was found.
func number(findings int) string {
	switch findings {
	case 0:
		return "nothing found"
	case 1:
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", findings)
}

// releaseObject is a release in the web root.
type releaseObject struct {
	Version         string   `json:"version"`
	CoreBytes       int64    `json:"core_bytes"`
	CompressedBytes int64    `json:"compressed_bytes"`
	PatchesFrom     []string `json:"patches_from"`
	OfferedTo       []string `json:"offered_to"`
	Document        bool     `json:"version_document"`
}

// channelObject is what a channel is offered.
type channelObject struct {
	Channel  string `json:"channel"`
	Version  string `json:"version"`
	Percent  int    `json:"percent"`
	Previous string `json:"previous"`
	Machines int    `json:"machines"`
}

func newChannelObject(c channels.Channel) channelObject {
	return channelObject{c.Name, c.Version.String(), c.Percent, c.Previous.String(), len(c.Machines)}
}

// offers says what a channel is offered.
func offers(c channels.Channel) string {
	if c.Percent < 100 && !c.Version.IsZero() {
		return fmt.Sprintf("%d %% of its machines are offered %s, the rest %s", c.Percent, c.Version, c.Previous)
	}
	if c.Version.IsZero() {
		return "its machines are offered nothing yet"
	}
	return fmt.Sprintf("its machines are offered %s", c.Version)
}

// list shows the releases and who is offered them.
func list(*flag.FlagSet) action {
	return func(_ context.Context, s *session) error {
		root, file, err := s.root()
		if err != nil {
			return err
		}
		versions, err := root.Versions()
		if err != nil {
			return err
		}
		objects := []releaseObject{}
		for _, v := range versions {
			o, err := newReleaseObject(root, file, v)
			if err != nil {
				return err
			}
			objects = append(objects, o)
		}
		if s.json {
			return s.out.Object(objects)
		}
		return s.out.Table(rows(objects))
	}
}

func newReleaseObject(root *webroot.Root, file *channels.File, v policy.Version) (releaseObject, error) {
	o := releaseObject{Version: v.String(), PatchesFrom: []string{}, OfferedTo: []string{}}
	o.CoreBytes = webroot.SizeBytes(filepath.Join(root.Release(v), root.Core()))
	o.CompressedBytes = webroot.SizeBytes(filepath.Join(root.Release(v), root.Compressed()))
	from, err := root.PatchesTo(v)
	if err != nil {
		return o, err
	}
	for _, f := range from {
		o.PatchesFrom = append(o.PatchesFrom, f.String())
	}
	text, err := os.ReadFile(root.Document())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	// One that cannot be read offers nothing, which verify says.
	offered, err := updater.ParseVersionDocument(text)
	o.Document = err == nil && offered.Compare(v) == 0
	if file != nil {
		o.OfferedTo = offeredTo(file, v)
	}
	return o, nil
}

// offeredTo is who is offered a version: "stable", or "stable 10 %".
func offeredTo(file *channels.File, v policy.Version) []string {
	who := []string{}
	for _, c := range file.Channels() {
		part := 0
		switch {
		case c.Inherited:
		case c.Version.Compare(v) == 0:
			part = c.Percent
		case c.Previous.Compare(v) == 0:
			part = 100 - c.Percent
		}
		switch {
		case part == 100:
			who = append(who, c.Name)
		case part > 0:
			who = append(who, fmt.Sprintf("%s %d %%", c.Name, part))
		}
	}
	return who
}

func rows(objects []releaseObject) [][]console.Cell {
	table := [][]console.Cell{console.Row("VERSION", "CORE", "ZST", "PATCHES FROM", "OFFERED TO")}
	for _, o := range objects {
		cells := console.Row(o.Version, console.Size(o.CoreBytes), orDash(o.CompressedBytes),
			dash(strings.Join(o.PatchesFrom, " ")), dash(strings.Join(o.OfferedTo, ", ")))
		cells[len(cells)-1].Colour = console.Good
		table = append(table, cells)
	}
	return table
}

func orDash(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return console.Size(bytes)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
