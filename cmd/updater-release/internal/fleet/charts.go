// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"maps"
	"slices"
	"strings"

	"github.com/clipos/updater/cmd/internal/console"
)

// adoptionChart has the versions that ever had most machines, the newest at
// the bottom, and the rest in one.
func (r *Report) adoptionChart() chart {
	days := make([]string, len(r.Adoption))
	peak := map[string]int{}
	for i, d := range r.Adoption {
		days[i] = d.Day
		for version, n := range d.Machines {
			peak[version] = max(peak[version], n)
		}
	}
	shown := shownVersions(peak)
	all := make([]series, 0, len(shown)+1)
	for i, version := range shown {
		all = append(all, series{version, colour(i, version), make([]float64, len(days))})
	}
	rest := series{"others", "rest", make([]float64, len(days))}
	for i, d := range r.Adoption {
		for version, n := range d.Machines {
			if s := slices.Index(shown, version); s >= 0 {
				all[s].Values[i] = float64(n)
			} else {
				rest.Values[i] += float64(n)
			}
		}
	}
	if len(peak) > len(shown) {
		all = append(all, rest)
	}
	return newChart("Active machines at the end of each day, by version", days, all,
		func(v float64) string { return thousands(int(v)) })
}

// shownVersions are those with a colour, the newest first.
func shownVersions(peak map[string]int) []string {
	shown := slices.SortedFunc(maps.Keys(peak), func(a, b string) int {
		if peak[a] != peak[b] {
			return peak[b] - peak[a]
		}
		return compareVersions(b, a)
	})
	shown = slices.DeleteFunc(shown, func(v string) bool { return v == unknownWord || v == otherWord })
	shown = shown[:min(len(shown), maxSeries)]
	slices.SortFunc(shown, func(a, b string) int { return compareVersions(b, a) })
	return shown
}

func (r *Report) servedChart() chart {
	days := make([]string, len(r.Served))
	var all []series
	for i, kind := range Kinds() {
		s := series{string(kind), colour(i, ""), make([]float64, len(days))}
		for i, d := range r.Served {
			days[i] = d.Day
			s.Values[i] = float64(d.Kinds[kind].Bytes)
		}
		all = append(all, s)
	}
	return newChart("Bytes served on each day, by what was asked for", days, all,
		func(v float64) string { return strings.Replace(console.Size(int64(v)), ".0 ", " ", 1) })
}
