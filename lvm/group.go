// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// After a volume was made, renamed or closed udev opens it for a moment to
// look for signatures. LVM waits the same way before it deactivates a volume:
// lvm2's lib/activate/activate.c, OPEN_COUNT_CHECK_RETRIES.
const (
	openChecks     = 25
	openCheckDelay = 200 * time.Millisecond
)

// Group is a volume group of LVM. It holds nothing open between calls, and
// any number of processes may use the same group: LVM's own locks keep changes
// apart.
type Group struct {
	name         string
	newSizeBytes int64
	root         string
	sysfs        sysfs
	// run executes the lvm tool: Args of a CommandError in, standard output
	// out. flush is called before each of its writes, unless it is nil.
	run func(ctx context.Context, flush func() error, args ...string) ([]byte, error)
	// recheckDelay is openCheckDelay outside of tests.
	recheckDelay time.Duration
	// unheld: metadata were changed by a tool of whose writes none was held.
	unheld atomic.Bool
}

// NewGroup returns the volume group of the given name on the system whose
// root folder is root, normally "/". A new volume holds newSizeBytes, rounded
// up to whole extents.
func NewGroup(name string, newSizeBytes int64, root string) *Group {
	tool := filepath.Join(root, "usr/sbin/lvm")
	return &Group{
		name:         name,
		newSizeBytes: newSizeBytes,
		root:         root,
		sysfs:        sysfs(filepath.Join(root, "sys")),
		run: func(ctx context.Context, flush func() error, args ...string) ([]byte, error) {
			return runTool(ctx, tool, flush, args...)
		},
		recheckDelay: openCheckDelay,
	}
}

// Survey lists the group. It changes nothing and opens no volume. The error
// is [ErrGroupNotFound], a [*CommandError], or the context's.
func (g *Group) Survey(ctx context.Context) (Survey, error) {
	r, err := g.report(ctx)
	if err != nil {
		return Survey{}, err
	}
	beneathRoot, err := g.beneathRoot()
	if err != nil {
		return Survey{}, err
	}
	survey := Survey{
		FreeBytes:    r.freeBytes(),
		NewSizeBytes: r.wholeExtents(g.newSizeBytes),
		Warnings:     r.warnings(),
	}
	if err := checkOrdered(); err != nil {
		survey.Warnings = append(survey.Warnings, g.unorderedWarning(err))
	}
	for _, l := range r.logicals {
		inUse, err := g.inUse(l, beneathRoot)
		if err != nil {
			return Survey{}, fmt.Errorf("%s: %w", l.Name, err)
		}
		survey.Volumes = append(survey.Volumes, Volume{Name: l.Name, SizeBytes: l.SizeBytes, InUse: inUse})
	}
	slices.SortFunc(survey.Volumes, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return survey, nil
}

// Create makes a volume of the configured size: [ErrNoSpace] when the group
// has too little room, [io/fs.ErrExist] when there is a volume of that name.
// Its contents are what was on the disk before.
//
// What is absent from the command line: --yes, because a question we did not
// foresee must not be agreed to; --activate, because new volumes are activated
// anyway. Zeroing and wiping are switched off, because the whole volume is
// about to be written, and they would ask about old signatures.
func (g *Group) Create(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	err := g.change(ctx, "lvcreate", noBackup, "--zero=n", "--wipesignatures=n",
		"--size="+strconv.FormatInt(g.newSizeBytes, 10)+"b", "--name="+name, "--", g.name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Rename gives a volume another name: [ErrNotFound] when there is none of the
// old name, [io/fs.ErrExist] when there is one of the new name. A volume that
// is open stays so, here and elsewhere.
func (g *Group) Rename(ctx context.Context, from, to string) error {
	if err := errors.Join(checkName(from), checkName(to)); err != nil {
		return err
	}
	if err := g.change(ctx, "lvrename", noBackup, "--", g.name, from, to); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

// Warnings are what the changes so far were not as they should be in, for the
// administrator: like those of Survey, but known only afterwards.
func (g *Group) Warnings() []string {
	if !g.unheld.Load() {
		return nil
	}
	return []string{g.unorderedWarning(errUnordered)}
}

func (g *Group) unorderedWarning(why error) string {
	return fmt.Sprintf("volume group %s: %v; a power cut while its metadata are written "+
		"can make every volume in it unreachable, on a drive that reorders writes", g.name, why)
}

// noBackup keeps LVM from copying its metadata to /etc/lvm, where they would
// be replaced together with the system at the next update. On a read-only /etc
// the attempt makes the whole command fail.
const noBackup = "--autobackup=n"

// change runs a command that writes metadata, with a flush before it, between
// its writes, and after it. Once begun it is not cancelled: LVM would have to be
// killed in the middle of a commit. A tool that wrote without a flush between
// did so by a call that we do not know.
func (g *Group) change(ctx context.Context, args ...string) error {
	r, err := g.report(ctx)
	if err != nil {
		return err
	}
	flush := func() error { return g.flush(r.presentPhysicals()) }
	if err := flush(); err != nil {
		return err
	}
	held := false
	err = g.finish(ctx, func() error { held = true; return flush() }, args...)
	if err == nil && !held && checkOrdered() == nil { // else Survey has the warning
		g.unheld.Store(true)
	}
	return errors.Join(err, flush())
}

// finish runs a command to its end, unless ctx is done before it begins.
func (g *Group) finish(ctx context.Context, flush func() error, args ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeLimit)
	defer cancel()
	_, err := g.run(ctx, flush, args...)
	return err
}

// flush empties the write caches of physical volumes. LVM writes past the page
// cache but never asks the drive to.
func (g *Group) flush(physicals []string) error {
	for _, path := range physicals {
		f, err := os.Open(filepath.Join(g.root, path)) // to flush, reading suffices
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) report(ctx context.Context) (groupReport, error) {
	if err := checkName(g.name); err != nil {
		return groupReport{}, fmt.Errorf("volume group %w", err)
	}
	data, err := g.run(ctx, nil, slices.Concat(reportArgs, []string{"--", g.name})...)
	if err != nil {
		return groupReport{}, fmt.Errorf("%s: %w", g.name, err)
	}
	return decodeReport(data, g.name)
}

func (g *Group) inUse(l logicalRow, beneathRoot map[string]bool) (bool, error) {
	if l.isOpen() {
		return true, nil
	}
	var node unix.Stat_t
	err := unix.Stat(g.node(l.Name), &node)
	if errors.Is(err, unix.ENOENT) {
		return false, nil // not active
	}
	if err != nil {
		return false, os.NewSyscallError("stat", err)
	}
	stacked, err := g.stacked(deviceNumber(node.Rdev), beneathRoot)
	return stacked != "", err
}

// beneathRoot is the devices that the running system needs.
func (g *Group) beneathRoot() (map[string]bool, error) {
	var root unix.Stat_t
	if err := unix.Stat(g.root, &root); err != nil {
		return nil, &os.PathError{Op: "stat", Path: g.root, Err: err}
	}
	return g.sysfs.beneath(deviceNumber(root.Dev))
}

// stacked says what lies on a device, or "".
func (g *Group) stacked(dev string, beneathRoot map[string]bool) (string, error) {
	holders, err := g.sysfs.holders(dev)
	switch {
	case err != nil:
		return "", err
	case len(holders) > 0:
		return "beneath " + strings.Join(holders, " and "), nil
	case beneathRoot[dev]:
		return "beneath the root file system", nil
	}
	return "", nil
}

func (g *Group) node(name string) string {
	return filepath.Join(g.root, "dev", g.name, name)
}
