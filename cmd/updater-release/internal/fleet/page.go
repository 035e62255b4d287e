// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/clipos/updater/cmd/internal/console"
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

// maxAbsentRows is how many missing machines people are shown; JSON has all.
const maxAbsentRows = 200

// page is what page.html shows.
type page struct {
	*Report
	Policy, Title    string
	Style            template.CSS
	Adoption, Served chart
	Tiles            []tile
	Versions         []versionRow
	ChannelLegend    []series
	Hidden           int // missing machines that are not listed
	Made             time.Time
}

// tile is a number with its meaning; Class "" or the name of a colour.
type tile struct{ Value, Meaning, Class string }

// versionRow is a version as a bar, its parts in hundredths of all machines.
type versionRow struct {
	Version
	Share string
	Parts []barPart
}

type barPart struct {
	Class    string
	X, Width float64
	Title    string
}

// WriteHTML writes the report as a page that needs nothing else: no script and
// no other file, which its content security policy rules out too.
func (r *Report) WriteHTML(w io.Writer, title string, now time.Time) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"thousands": thousands,
		"moment":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
		"unit":      func(f float64) string { return fmt.Sprintf("%.2f", f) },
		"percent":   Percent,
	}).Parse(pageTemplate)
	if err != nil {
		return err
	}
	return t.Execute(w, r.page(title, now))
}

func (r *Report) page(title string, now time.Time) page {
	// The one style there is may be used, by what it is.
	sum := sha256.Sum256([]byte(pageStyle))
	p := page{
		Report: r, Title: title, Made: now,
		Style:    template.CSS(pageStyle), //nolint:gosec // G203: a constant of ours
		Policy:   "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		Adoption: r.adoptionChart(),
		Served:   r.servedChart(),
		Tiles:    r.tiles(),
		Hidden:   max(0, len(r.Absent)-maxAbsentRows),
	}
	for i, channel := range r.Channels {
		p.ChannelLegend = append(p.ChannelLegend, series{Name: channel, Class: colour(i, channel)})
	}
	for _, v := range r.Versions {
		p.Versions = append(p.Versions, r.versionRow(v))
	}
	return p
}

// Listed are the missing machines that the page lists.
func (p page) Listed() []Absent { return p.Absent[:min(len(p.Absent), maxAbsentRows)] }

// colour is the class of the i-th series; what has no name of its own is grey.
func colour(i int, name string) string {
	if i >= maxSeries || name == unknownWord || name == otherWord {
		return "rest"
	}
	return fmt.Sprintf("c%d", i)
}

// Percent is a share for people; what is not all or none is not called so.
func Percent(n, of int) string {
	if of == 0 {
		return "–"
	}
	share := 100 * float64(n) / float64(of)
	if n > 0 && n < of {
		// Nearly all is not all, and next to none is not none.
		share = min(max(share, 0.1), 99.9)
	}
	return fmt.Sprintf("%.1f %%", share)
}

func (r *Report) tiles() []tile {
	tiles := []tile{{thousands(r.Active), fmt.Sprintf("machines seen in %d days", r.WindowDays), ""}}
	offered, running, stuck := 0, 0, 0
	for _, roll := range r.Rollouts {
		offered, running, stuck = offered+roll.Offered, running+roll.Running, stuck+roll.Stuck
	}
	tiles = append(tiles, tile{Percent(running, offered), "run what they were offered", "good"})
	bytes := int64(0)
	for _, day := range r.Served {
		for _, t := range day.Kinds {
			bytes += t.Bytes
		}
	}
	return append(tiles,
		tile{thousands(stuck), fmt.Sprintf("did not take an offer for %d days", StuckDays), alarm(stuck)},
		tile{thousands(r.Missing), fmt.Sprintf("not seen for %d days", r.WindowDays), alarm(r.Missing)},
		tile{console.Size(bytes), "served", ""},
		tile{Percent(r.Requests.Failed, r.Requests.Total), "of requests failed", alarm(r.Requests.Failed)},
	)
}

func alarm(n int) string {
	if n > 0 {
		return "attention"
	}
	return ""
}

// versionRow draws a version by channel.
func (r *Report) versionRow(v Version) versionRow {
	row := versionRow{Version: v, Share: Percent(v.Machines, r.Active)}
	x := 0.0
	for i, channel := range r.Channels {
		n := v.Channels[channel]
		if n == 0 {
			continue
		}
		width := 100 * float64(n) / float64(r.Active)
		row.Parts = append(row.Parts, barPart{colour(i, channel), x, width, channel + ": " + thousands(n)})
		x += width
	}
	return row
}
