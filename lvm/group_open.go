// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens a volume exclusively and activates it first where need be:
// [ErrNotFound], or [ErrInUse] when anybody at all has it open, be it a mount,
// swap, another device or a program. Somebody who has it open only briefly is
// waited for, a few seconds at most.
func (g *Group) Open(ctx context.Context, name string) (Device, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	d, err := g.open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

func (g *Group) open(ctx context.Context, name string) (*device, error) {
	err := awaitFree(ctx, openChecks, g.recheckDelay, func() error { return g.checkClosed(ctx, name) })
	if err != nil {
		return nil, err
	}
	node, err := g.activeNode(ctx, name)
	if err != nil {
		return nil, err
	}
	defer node.Close() // opened as a path only: nothing to lose
	file, err := g.openExclusively(ctx, node)
	if err != nil {
		return nil, err
	}
	sizeBytes, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, closeAll(file))
	}
	return newDevice(name, file, sizeBytes, discardBlocks)
}

// checkClosed sees to it that the volume exists and, as far as LVM can tell, is
// open nowhere: the exclusive open does not notice a program that opened the
// volume without asking for exclusiveness.
func (g *Group) checkClosed(ctx context.Context, name string) error {
	r, err := g.report(ctx)
	if err != nil {
		return err
	}
	volume, ok := r.find(name)
	switch {
	case !ok:
		return ErrNotFound
	case volume.isOpen():
		return fmt.Errorf("%w: open elsewhere", ErrInUse)
	}
	return nil
}

// activeNode returns the volume's device node, opened as a path, which has no
// effect on the device.
func (g *Group) activeNode(ctx context.Context, name string) (*os.File, error) {
	node, err := openPath(unix.AT_FDCWD, g.node(name), 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return node, err
	}
	// Activation changes no metadata. Absent: --ignoreactivationskip, because
	// a volume set to be skipped was so by somebody who had a reason.
	if err := g.finish(ctx, nil, "lvchange", "--activate=y", "--", g.name+"/"+name); err != nil {
		return nil, err
	}
	return openPath(unix.AT_FDCWD, g.node(name), 0)
}

// openExclusively opens the node's device for this process alone. The kernel
// refuses (open(2), O_EXCL without O_CREAT) what is mounted, swapped to, or
// claimed by another device, and refuses all those while we have it open.
func (g *Group) openExclusively(ctx context.Context, node *os.File) (file *os.File, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(node.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return nil, fmt.Errorf("%s: not a block device", node.Name())
	}
	if err := g.checkUnstacked(deviceNumber(st.Rdev)); err != nil {
		return nil, err
	}
	err = awaitFree(ctx, claimChecks, claimDelay, func() error {
		file, err = reopen(node, unix.O_RDWR|unix.O_EXCL)
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("%w: mounted or claimed by another device", ErrInUse)
		}
		return err
	})
	return file, err
}

func (g *Group) checkUnstacked(dev string) error {
	beneathRoot, err := g.beneathRoot()
	if err != nil {
		return err
	}
	stacked, err := g.stacked(dev, beneathRoot)
	if err == nil && stacked != "" {
		err = fmt.Errorf("%w: %s", ErrInUse, stacked)
	}
	return err
}
