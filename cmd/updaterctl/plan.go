// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"strings"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/updater"
)

func plan(ctx context.Context, s *session) error {
	p, err := s.client.Plan(ctx, s.argument)
	if err != nil {
		return err
	}
	if s.json {
		return s.out.Object(newPlanObject(p))
	}
	return s.out.plan(p)
}

func (o *output) plan(p updater.Plan) error {
	var f facts
	f.add("Version", console.Clean(p.Version), console.Plain)
	f.add("Download", download(p), console.Plain)
	f.add("Write", orUnknown(p.WriteBytes), console.Plain)
	f.add("Volume", volume(p), console.Plain)
	f.add("Boot entry", orNone(p.Entry), console.Plain)
	for _, entry := range p.ReplacedEntries {
		f.add("Removed entry", console.Clean(entry), console.Attention)
	}
	f.add("Space needed", space(p), console.Plain)
	f.addBlockers(p.Blockers)
	return o.Table(f)
}

// download is what comes from the server, as what, and what is there already.
func download(p updater.Plan) string {
	text := orUnknown(p.DownloadBytes)
	if p.ReuseBytes > 0 {
		text = console.Size(p.DownloadBytes) + ", " + console.Size(p.ReuseBytes) + " are here already"
	}
	if p.Method != "" {
		text += " (" + console.Clean(string(p.Method)) + ")"
	}
	return text
}

// volume is where the image goes, and instead of what.
func volume(p updater.Plan) string {
	text := orNone(p.Volume)
	if p.ReplacedVolume == "" {
		text += ", new"
	} else {
		text += ", overwrites " + console.Clean(p.ReplacedVolume)
	}
	if p.Reason != "" {
		text += " (" + console.Clean(p.Reason) + ")"
	}
	return text
}

// space is the room that is needed, by place.
func space(p updater.Plan) string {
	var needs []string
	for _, need := range []struct {
		bytes int64
		place string
	}{
		{p.CacheBytes, "in the cache"},
		{p.ESPBytes, "in the EFI system partition"},
		{p.GroupBytes, "in the volume group"},
	} {
		if need.bytes > 0 {
			needs = append(needs, console.Size(need.bytes)+" "+need.place)
		}
	}
	return orNone(strings.Join(needs, ", "))
}

// orUnknown is n bytes, or a word for not known.
func orUnknown(n int64) string {
	if n <= 0 {
		return "unknown"
	}
	return console.Size(n)
}
