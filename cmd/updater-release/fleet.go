// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/fleet"
)

// fleetOptions are those of the verb fleet.
type fleetOptions struct {
	html bool
	days int
}

// Days that a machine may be away, and the most that make sense.
const (
	defaultFleetDays = 14
	maxFleetDays     = 3660
)

func fleetVerb(flags *flag.FlagSet) action {
	o := fleetOptions{days: defaultFleetDays}
	flags.BoolVar(&o.html, "html", false, "")
	flags.Func("days", "", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxFleetDays {
			return fmt.Errorf("not a number from 1 to %d", maxFleetDays)
		}
		o.days = n
		return nil
	})
	return func(ctx context.Context, s *session) error { return o.run(ctx, s) }
}

func (o fleetOptions) run(ctx context.Context, s *session) error {
	if o.html && s.json {
		return errors.New("a page or JSON, not both")
	}
	logs, closeAll, err := openLogs(s)
	if err != nil {
		return err
	}
	defer closeAll()
	now := time.Now()
	r, err := fleet.Read(ctx, logs, fleet.Options{Days: o.days, Now: now, Limits: fleet.DefaultLimits()})
	if err != nil {
		return err
	}
	for _, b := range r.Broken {
		s.warn("%s: read only as far as it can be read: %s", b.Log, b.Error)
	}
	switch {
	case o.html:
		title := "Update fleet"
		if s.product != "" {
			title += ": " + s.product
		}
		return r.WriteHTML(s.out, title, now)
	case s.json:
		return s.out.Object(r)
	}
	return showFleet(s.out, r)
}

// openLogs opens the files that were named; "-" is standard input.
func openLogs(s *session) (logs []fleet.Log, closeAll func(), err error) {
	var files []*os.File
	closeAll = func() {
		for _, f := range files {
			_ = f.Close() // they were only read
		}
	}
	for _, name := range s.arguments {
		if name == "-" {
			logs = append(logs, fleet.Log{Name: "standard input", Reader: s.in})
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		files = append(files, f)
		logs = append(logs, fleet.Log{Name: name, Reader: f})
	}
	return logs, closeAll, nil
}

// showFleet prints what fits on a screen; the page and JSON have the rest.
func showFleet(out *console.Output, r *fleet.Report) error {
	if r.Requests.Total == 0 {
		_, err := fmt.Fprintf(out, "no requests, %d damaged lines\n", r.Requests.Damaged)
		return err
	}
	fmt.Fprintf(out, "requests from %s to %s UTC; machines seen in the last %d days: %d, not seen for longer: %d\n\n",
		r.From.Format(time.DateTime), r.To.Format(time.DateTime), r.WindowDays, r.Active, r.Missing)
	for _, rows := range [][][]console.Cell{
		versionRows(r), rolloutRows(r), adoptionRows(r), servedRows(r), absentRows(r), requestRows(r),
	} {
		if len(rows) < 2 {
			continue
		}
		if err := out.Table(rows); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	return nil
}

func versionRows(r *fleet.Report) [][]console.Cell {
	rows := [][]console.Cell{console.Row(append([]string{"VERSION", "MACHINES", "SHARE"}, r.Channels...)...)}
	for _, v := range r.Versions {
		cells := console.Row(v.Version, strconv.Itoa(v.Machines), fleet.Percent(v.Machines, r.Active))
		for _, channel := range r.Channels {
			cells = append(cells, console.Cell{Text: strconv.Itoa(v.Channels[channel])})
		}
		rows = append(rows, cells)
	}
	return rows
}

func rolloutRows(r *fleet.Report) [][]console.Cell {
	rows := [][]console.Cell{console.Row("OFFERED", "CHANNEL", "MACHINES", "RUN IT", "SHARE", fmt.Sprintf("WAITED %d DAYS", fleet.StuckDays))}
	for _, roll := range r.Rollouts {
		cells := console.Row(roll.Version, roll.Channel, strconv.Itoa(roll.Offered), strconv.Itoa(roll.Running),
			fleet.Percent(roll.Running, roll.Offered), strconv.Itoa(roll.Stuck))
		if roll.Stuck > 0 {
			cells[len(cells)-1].Colour = console.Attention
		}
		rows = append(rows, cells)
	}
	return rows
}

// Days and machines that are shown, the last and the first ones.
const (
	shownDays   = 14
	shownAbsent = 20
)

// adoptionRows has a column for each version that is still run.
func adoptionRows(r *fleet.Report) [][]console.Cell {
	head := []string{"DAY"}
	for _, v := range r.Versions[:min(len(r.Versions), 6)] {
		head = append(head, v.Version)
	}
	rows := [][]console.Cell{console.Row(head...)}
	for _, d := range r.Adoption[max(0, len(r.Adoption)-shownDays):] {
		cells := console.Row(d.Day)
		for _, version := range head[1:] {
			cells = append(cells, console.Cell{Text: strconv.Itoa(d.Machines[version])})
		}
		rows = append(rows, cells)
	}
	return rows
}

func servedRows(r *fleet.Report) [][]console.Cell {
	head := []string{"SERVED"}
	for _, kind := range fleet.Kinds() {
		head = append(head, string(kind))
	}
	rows := [][]console.Cell{console.Row(head...)}
	for _, d := range r.Served[max(0, len(r.Served)-shownDays):] {
		cells := console.Row(d.Day)
		for _, kind := range fleet.Kinds() {
			cells = append(cells, console.Cell{Text: console.Size(d.Kinds[kind].Bytes)})
		}
		rows = append(rows, cells)
	}
	return rows
}

func absentRows(r *fleet.Report) [][]console.Cell {
	rows := [][]console.Cell{console.Row("NOT SEEN", "SINCE", "VERSION", "CHANNEL")}
	for _, a := range r.Absent[:min(len(r.Absent), shownAbsent)] {
		rows = append(rows, console.Row(a.Machine, a.LastSeen.Format(time.DateTime), a.Version, a.Channel))
	}
	if more := len(r.Absent) - shownAbsent; more > 0 {
		rows = append(rows, console.Row(fmt.Sprintf("and %d more, see --json", more)))
	}
	return rows
}

// requestRows has what is to be known about the logs themselves.
func requestRows(r *fleet.Report) [][]console.Cell {
	rows := [][]console.Cell{console.Row("REQUESTS", strconv.Itoa(r.Requests.Total))}
	for _, line := range []struct {
		name  string
		count int
	}{
		{"without a machine id", r.Requests.Anonymous},
		{"answered with an error", r.Requests.Failed},
		{"out of order: adoption is too little on their days", r.Requests.Late},
		{"of machines beyond the limit", r.Requests.Surplus},
		{"damaged lines, passed over", r.Requests.Damaged},
	} {
		if line.count > 0 {
			rows = append(rows, console.Row(line.name, strconv.Itoa(line.count)))
		}
	}
	return rows
}
