// SPDX-License-Identifier: LGPL-2.1-or-later

package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/makepatch"
	"github.com/clipos/updater/cmd/updater-release/internal/signing"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// Addition is a release to be added.
type Addition struct {
	Version       policy.Version
	Core, Efiboot string // files
	Key           *signing.Key
	// Patches is from how many of the releases before there will be patches,
	// and from how many more that channels are offered now.
	Patches int
	// MemoryBytes is what machines take to apply a patch, 0 for what updaterd
	// does.
	MemoryBytes int64
	// Level is zstd's, 0 for the default.
	Level int
	// RefuseBootOrder: a release that systemd-boot would not start by default
	// is an error, not a warning.
	RefuseBootOrder bool
}

// File is one that was added.
type File struct {
	Name      string
	SizeBytes int64
}

// Add adds a release and returns its files but the signatures, payloads first.
func (p *Publisher) Add(ctx context.Context, a Addition) (files []File, err error) {
	err = p.change(func() error {
		dir, err := p.Root.Stage(a.Version)
		if err != nil {
			return err
		}
		m := &making{Publisher: p, Addition: a, dir: dir}
		for _, step := range []func(context.Context) error{m.copyPayloads, m.checkOrder, m.compress, m.patch} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if err := p.judge(ctx, a.Version, dir); err != nil {
			return err
		}
		files = m.files
		return p.Root.Publish(a.Version)
	})
	return files, err
}

// making is a release that is being made in dir.
type making struct {
	*Publisher
	Addition
	dir   string
	files []File
}

// sign signs a file of the release, which is complete then.
func (m *making) sign(name string) error {
	path := filepath.Join(m.dir, name)
	text, err := m.Key.Sign(path, m.Version.String())
	if err != nil {
		return err
	}
	m.files = append(m.files, File{name, webroot.SizeBytes(path)})
	return m.write(webroot.Signature(name), func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

// done tells of a step of so many bytes how far it is.
func (m *making) done(total int64) func(int64) {
	return func(done int64) { m.Progress.Done(done, total) }
}

// copyPayloads takes the payloads, judges them, and signs them.
func (m *making) copyPayloads(ctx context.Context) error {
	if err := errors.Join(m.copy(ctx, m.Root.Core(), m.Core), m.copy(ctx, m.Root.Efiboot(), m.Efiboot)); err != nil {
		return err
	}
	core, closeCore, err := webroot.Open(filepath.Join(m.dir, m.Root.Core()))
	if err != nil {
		return err
	}
	defer closeCore()
	efiboot, closeEfiboot, err := webroot.Open(filepath.Join(m.dir, m.Root.Efiboot()))
	if err != nil {
		return err
	}
	defer closeEfiboot()
	if err := m.Judge.Content(m.Version, core, efiboot); err != nil {
		return err
	}
	return errors.Join(m.sign(m.Root.Core()), m.sign(m.Root.Efiboot()))
}

// copy takes a payload from a file.
func (m *making) copy(ctx context.Context, name, from string) error {
	source, done, err := webroot.Open(from)
	if err != nil {
		return err
	}
	defer done()
	m.Progress.Begin("copy " + name)
	err = m.write(name, func(f *os.File) error { return copyAll(ctx, f, source, m.done(source.Size())) })
	if err == nil {
		m.Progress.End(console.Size(source.Size()))
	}
	return err
}

// copyAll copies and tells how far it is.
func copyAll(ctx context.Context, to io.Writer, from io.Reader, progress func(int64)) error {
	buf := make([]byte, 1<<20)
	for done := int64(0); ; progress(done) {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := from.Read(buf)
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		done += int64(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write writes a file of the release, which the server may read whatever the
// umask is: that is judged before the release is published.
func (m *making) write(name string, content func(*os.File) error) error {
	f, err := os.OpenFile(filepath.Join(m.dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o644), content(f), f.Close())
}

// checkOrder says what is wrong with a version among those that are there.
func (m *making) checkOrder(context.Context) error {
	versions, err := m.Root.Versions()
	if err != nil {
		return err
	}
	if len(versions) > 0 && versions[0].Compare(m.Version) > 0 {
		m.Warn("%s is older than %s, which is there: machines that ran that one refuse it", m.Version, versions[0])
	}
	added, err := m.entry(m.Version, filepath.Join(m.dir, m.Root.Efiboot()))
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.Compare(m.Version) > 0 {
			continue
		}
		before, err := m.entry(v, filepath.Join(m.Root.Release(v), m.Root.Efiboot()))
		if err != nil && m.RefuseBootOrder {
			return err
		}
		if err != nil {
			m.Warn("whether systemd-boot lists %s before %s is not known: %v", v, m.Version, err)
			continue
		}
		menu := []efi.Entry{before, added}
		if efi.Sort(menu); menu[0].File == added.File {
			continue
		}
		if m.RefuseBootOrder {
			return fmt.Errorf("%w: it lists %s before %s", ErrBootOrder, v, m.Version)
		}
		m.Warn("systemd-boot lists %s before %s: machines that run it need a loader whose default can be set, and refuse it with boot_order = \"refuse\"", v, m.Version)
	}
	return nil
}

// entry is the boot entry that an EFI binary will be.
func (m *making) entry(v policy.Version, path string) (efi.Entry, error) {
	image, done, err := webroot.Open(path)
	if err != nil {
		return efi.Entry{}, err
	}
	defer done()
	return efi.NewEntry(m.Root.Product, m.Root.Product+"-"+v.String()+".efi", image, image.Size()), nil
}

// compress makes the compressed image.
func (m *making) compress(ctx context.Context) error {
	core, done, err := webroot.Open(filepath.Join(m.dir, m.Root.Core()))
	if err != nil {
		return err
	}
	defer done()
	name := m.Root.Compressed()
	m.Progress.Begin("compress " + name)
	level := m.Level
	if level == 0 {
		level = makepatch.DefaultLevel
	}
	err = m.write(name, func(f *os.File) error {
		return makepatch.Compress(ctx, makepatch.Source{ReaderAt: core, SizeBytes: core.Size()}, level, m.Workers, m.done(core.Size()), f)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.Progress.End(share(webroot.SizeBytes(filepath.Join(m.dir, name)), core.Size()))
	return m.sign(name)
}

// share is what is to be fetched, and which part of the whole that is.
func share(bytes, of int64) string {
	return fmt.Sprintf("%s, %.1f %%", console.Size(bytes), 100*float64(bytes)/float64(max(of, 1)))
}
