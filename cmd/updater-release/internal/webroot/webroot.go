// SPDX-License-Identifier: LGPL-2.1-or-later

// Package webroot is the folder that is published: what lies where in it, and
// how it is changed while a server hands it out.
//
// # Names on disk
//
//	dist/<version>/<product>-core                       .sig
//	               <product>-core.zst                   .sig
//	               <product>-core.from-<old>.patch      .sig
//	               <product>-efiboot                    .sig
//	update/v1/<product>/version                         TOML: version = "5.1.0"
//	.updater-release/                                   what is being made; only while it is
//
// Folders have mode 0755, files 0644, and there are no links: any server,
// object store or CDN serves a copy of it as it is. One web root has one
// product.
//
// # Order
//
// A release is made in .updater-release, flushed, and appears by one rename. It
// is not changed afterwards, so that what a client has fetched half stays what
// it was; only [Root.RemovePatch] takes from it. The version document is
// replaced by a rename, after all it leads to is there. A release goes by one
// rename too. Cut at any instant there is the old state or the new one, and
// perhaps .updater-release, which the next change removes.
//
// Who changes the web root holds a lock on the folder (flock(2)); there is one
// at a time.
//
// # Threat
//
// The folder belongs to the release engineer, and what is in it is believed as
// far as its signatures go, which package audit looks at. Names found in it
// are only used when they are what they should be.
package webroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/policy"
)

// Staging is the name of the folder for what is being made.
const Staging = ".updater-release"

// Errors a caller may want to tell apart.
var (
	ErrBusy      = errors.New("somebody else is changing the web root")
	ErrPublished = errors.New("is published already, and what is published does not change")
)

// Root is a web root.
type Root struct {
	Dir, Product string
	lock         *os.File
	// before is called before each change that a power cut may come between;
	// an error is that of the change. The tests cut the power there.
	before func(what, path string) error
}

// New returns the web root in a folder, which may not be there yet.
func New(dir, product string) *Root {
	return &Root{Dir: dir, Product: product, before: func(string, string) error { return nil }}
}

// Lock begins a change: nobody else changes the web root until Unlock, and what
// an interrupted change has left is gone.
func (r *Root) Lock() error {
	if err := r.mkdir(r.Dir); err != nil {
		return err
	}
	f, err := os.Open(r.Dir)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close() //nolint:errcheck // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%s: %w", r.Dir, ErrBusy)
		}
		return &os.PathError{Op: "lock", Path: r.Dir, Err: err}
	}
	r.lock = f
	if err := r.clean(); err != nil {
		r.lock.Close() //nolint:errcheck // nothing was written
		return err
	}
	return nil
}

// Unlock ends a change, and removes what is left of it.
func (r *Root) Unlock() error { return errors.Join(r.clean(), r.lock.Close()) }

// clean removes what is being made.
func (r *Root) clean() error {
	staging := filepath.Join(r.Dir, Staging)
	if _, err := os.Lstat(staging); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := r.before("remove all", staging); err != nil {
		return err
	}
	return os.RemoveAll(staging)
}

// IsLeftBehind tells that there is something half made that nobody works on.
func (r *Root) IsLeftBehind() bool {
	if _, err := os.Lstat(filepath.Join(r.Dir, Staging)); err != nil {
		return false
	}
	f, err := os.Open(r.Dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil
}

// Dist is the folder of all releases, Release that of one.
func (r *Root) Dist() string { return filepath.Join(r.Dir, "dist") }

// Release is the folder of a version.
func (r *Root) Release(v policy.Version) string { return filepath.Join(r.Dist(), v.String()) }

// Document is the file that offers a version to whoever asks.
func (r *Root) Document() string {
	return filepath.Join(r.Dir, "update", "v1", r.Product, "version")
}

// Core is the name of the core image, Efiboot that of the EFI binary.
func (r *Root) Core() string { return r.Product + "-core" }

// Efiboot is the name of the EFI binary.
func (r *Root) Efiboot() string { return r.Product + "-efiboot" }

// Compressed is the name of the compressed core image.
func (r *Root) Compressed() string { return r.Core() + ".zst" }

const (
	patchInfix  = ".from-"
	patchSuffix = ".patch"
)

// Patch is the name of the patch from a version.
func (r *Root) Patch(from policy.Version) string {
	return r.Core() + patchInfix + from.String() + patchSuffix
}

// PatchFrom reads the name of a patch.
func (r *Root) PatchFrom(name string) (from policy.Version, ok bool) {
	text, isPatch := strings.CutPrefix(name, r.Core()+patchInfix)
	text, ends := strings.CutSuffix(text, patchSuffix)
	if !isPatch || !ends {
		return policy.Version{}, false
	}
	from, err := policy.ParseVersion(text)
	return from, err == nil
}

// Signature is the name of a file's signature.
func Signature(name string) string { return name + ".sig" }

// Holds tells whether a file, which may not be there yet, would be handed out
// with the web root: by its name or, where that is a link, by what it leads to.
func (r *Root) Holds(file string) (bool, error) {
	root, err := realPath(r.Dir)
	if err != nil {
		return false, err
	}
	folder, err := realPath(filepath.Dir(file))
	if err != nil {
		return false, err
	}
	target, err := realPath(file)
	if err != nil {
		return false, err
	}
	for _, path := range []string{filepath.Join(folder, filepath.Base(file)), target} {
		if inside, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(inside) {
			return true, nil
		}
	}
	return false, nil
}

// realPath is an absolute path without links; what is not there is none.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	followed, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || path == "/" {
		return followed, err
	}
	if to, err := os.Readlink(path); err == nil {
		return "", fmt.Errorf("%s: a link to %s, which is not there", path, to)
	}
	folder, err := realPath(filepath.Dir(path))
	return filepath.Join(folder, filepath.Base(path)), err
}

// Versions returns the versions that are there, the newest first. What else is
// in dist is not looked at.
func (r *Root) Versions() ([]policy.Version, error) {
	entries, err := os.ReadDir(r.Dist())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var versions []policy.Version
	for _, e := range entries {
		if v, err := policy.ParseVersion(e.Name()); err == nil && e.IsDir() {
			versions = append(versions, v)
		}
	}
	slices.SortFunc(versions, func(a, b policy.Version) int { return b.Compare(a) })
	return versions, nil
}

// PatchesTo returns the versions that there are patches from, the newest first.
func (r *Root) PatchesTo(v policy.Version) ([]policy.Version, error) {
	entries, err := os.ReadDir(r.Release(v))
	if err != nil {
		return nil, err
	}
	var from []policy.Version
	for _, e := range entries {
		if f, ok := r.PatchFrom(e.Name()); ok {
			from = append(from, f)
		}
	}
	slices.SortFunc(from, func(a, b policy.Version) int { return b.Compare(a) })
	return from, nil
}

// Has tells whether a version is there.
func (r *Root) Has(v policy.Version) bool {
	info, err := os.Lstat(r.Release(v))
	return err == nil && info.IsDir()
}

// Interrupt has f called before every change that a power cut may come
// between, with what it is and where. An error of f is that of the change; it
// is for tests of what is left then.
func (r *Root) Interrupt(f func(what, path string) error) { r.before = f }
