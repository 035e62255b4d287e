// SPDX-License-Identifier: LGPL-2.1-or-later

package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/makepatch"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/patch"
)

// patch makes the patches from the releases before.
func (m *making) patch(ctx context.Context) error {
	versions, err := m.Root.Versions()
	if err != nil {
		return err
	}
	file, err := channels.LoadOrNew(m.ChannelsFile, m.Root.Product)
	if err != nil {
		return err
	}
	older := slices.DeleteFunc(versions, func(v policy.Version) bool { return v.Compare(m.Version) >= 0 })
	for _, from := range bases(older, file.Channels(), m.Patches) {
		if err := m.patchFrom(ctx, from); err != nil {
			return fmt.Errorf("patch from %s: %w", from, err)
		}
	}
	return nil
}

// bases are the releases to make patches from, the newest first: so many of the
// newest, and what channels are offered now, at most as many. Most machines run
// that, however many betas came after it.
func bases(older []policy.Version, all []channels.Channel, number int) []policy.Version {
	chosen := slices.Clone(older[:min(number, len(older))])
	offered := 0
	for _, c := range all { // stable first
		for _, v := range []policy.Version{c.Version, c.Previous} {
			if offered < number && contains(older, v) && !contains(chosen, v) {
				chosen = append(chosen, v)
				offered++
			}
		}
	}
	slices.SortFunc(chosen, func(a, b policy.Version) int { return b.Compare(a) })
	return chosen
}

// patchFrom makes one patch, unless the compressed image is smaller, or machines
// have too little memory for it.
func (m *making) patchFrom(ctx context.Context, from policy.Version) error {
	findings, err := m.auditor().Core(ctx, from)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		// A patch from an image that no machine has would be of no use. What is
		// published does not change: the next release has to do without it.
		m.Warn("no patch from %s: %s", from, findings[0])
		return nil
	}
	base, baseDone, err := webroot.Open(filepath.Join(m.Root.Release(from), m.Root.Core()))
	if err != nil {
		return err
	}
	defer baseDone()
	result, resultDone, err := webroot.Open(filepath.Join(m.dir, m.Root.Core()))
	if err != nil {
		return err
	}
	defer resultDone()
	name := m.Root.Patch(from)
	m.Progress.Begin("make " + name)
	err = m.write(name, func(f *os.File) error {
		_, err := makepatch.Make(ctx, makepatch.Options{
			From: from.String(), To: m.Version.String(), Level: m.Level, Workers: m.Workers, Progress: m.done(result.Size()),
			MemoryBytes: m.MemoryBytes,
			Base:        makepatch.Source{ReaderAt: base, SizeBytes: base.Size()},
			Result:      makepatch.Source{ReaderAt: result, SizeBytes: result.Size()},
		}, f)
		return err
	})
	if errors.Is(err, patch.ErrMemory) {
		// Machines would fetch it, pass it over, and fetch the image after all.
		m.Warn("no patch from %s: %v", from, err)
		m.Progress.End("dropped")
		return os.Remove(filepath.Join(m.dir, name))
	}
	if err != nil {
		return err
	}
	bytes := webroot.SizeBytes(filepath.Join(m.dir, name))
	if bytes >= webroot.SizeBytes(filepath.Join(m.dir, m.Root.Compressed())) {
		m.Progress.End("dropped: " + console.Size(bytes) + ", no smaller than " + m.Root.Compressed())
		return os.Remove(filepath.Join(m.dir, name))
	}
	m.Progress.End(share(bytes, result.Size()))
	return m.sign(name)
}
