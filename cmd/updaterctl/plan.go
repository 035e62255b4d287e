// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"strings"

	"github.com/clipos/updater/updater"
)

func plan(ctx context.Context, s *session) error {
	p, err := s.client.Plan(ctx, s.argument)
	if err != nil {
		return err
	}
	if s.json {
		return s.out.object(newPlanObject(p))
	}
	return s.out.plan(p)
}

func (o *output) plan(p updater.Plan) error {
	var f facts
	f.add("Version", clean(p.Version), plain)
	f.add("Download", download(p), plain)
	f.add("Write", orUnknown(p.WriteBytes), plain)
	f.add("Volume", volume(p), plain)
	f.add("Boot entry", orNone(p.Entry), plain)
	for _, entry := range p.ReplacedEntries {
		f.add("Removed entry", clean(entry), attention)
	}
	f.add("Space needed", space(p), plain)
	f.addBlockers(p.Blockers)
	return o.table(f)
}

// download is what comes from the server, as what, and what is there already.
func download(p updater.Plan) string {
	text := orUnknown(p.DownloadBytes)
	if p.ReuseBytes > 0 {
		text = size(p.DownloadBytes) + ", " + size(p.ReuseBytes) + " are here already"
	}
	if p.Method != "" {
		text += " (" + clean(string(p.Method)) + ")"
	}
	return text
}

// volume is where the image goes, and instead of what.
func volume(p updater.Plan) string {
	text := orNone(p.Volume)
	if p.ReplacedVolume == "" {
		text += ", new"
	} else {
		text += ", overwrites " + clean(p.ReplacedVolume)
	}
	if p.Reason != "" {
		text += " (" + clean(p.Reason) + ")"
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
			needs = append(needs, size(need.bytes)+" "+need.place)
		}
	}
	return orNone(strings.Join(needs, ", "))
}

// orUnknown is n bytes, or a word for not known.
func orUnknown(n int64) string {
	if n <= 0 {
		return "unknown"
	}
	return size(n)
}
