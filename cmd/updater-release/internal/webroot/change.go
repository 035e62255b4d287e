// SPDX-License-Identifier: LGPL-2.1-or-later

package webroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clipos/updater/policy"
)

const (
	fileMode   = 0o644
	folderMode = 0o755
)

// Stage returns an empty folder for the files of a version that is not there
// yet, on the file system of the web root.
func (r *Root) Stage(v policy.Version) (dir string, err error) {
	if _, err := os.Lstat(r.Release(v)); !errors.Is(err, fs.ErrNotExist) {
		return "", errors.Join(fmt.Errorf("%s %w", v, ErrPublished), err)
	}
	dir = filepath.Join(r.Dir, Staging, v.String())
	return dir, r.mkdir(dir)
}

// Publish makes what was staged for a version appear.
func (r *Root) Publish(v policy.Version) error {
	dir := filepath.Join(r.Dir, Staging, v.String())
	if err := r.seal(dir); err != nil {
		return err
	}
	if err := r.mkdir(r.Dist()); err != nil {
		return err
	}
	return r.rename(dir, r.Release(v))
}

// seal gives everything in a folder of files its mode, and flushes it.
func (r *Root) seal(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s: not a regular file", path)
		}
		if err := r.flush(path, fileMode); err != nil {
			return err
		}
	}
	return r.flush(dir, folderMode)
}

// Offer makes v the version that the web root offers to whoever asks.
func (r *Root) Offer(v policy.Version) error {
	staging := filepath.Join(r.Dir, Staging)
	if err := r.mkdir(staging); err != nil {
		return err
	}
	if err := r.mkdir(filepath.Dir(r.Document())); err != nil {
		return err
	}
	return r.replace(filepath.Join(staging, "version"), r.Document(), fileMode, []byte(DocumentText(v)))
}

// DocumentText is the version document that offers a version.
func DocumentText(v policy.Version) string { return fmt.Sprintf("version = %q\n", v) }

// ReplaceFile writes a file outside the web root that goes with it, by a
// rename: it is the old one or the new one, whatever happens. Its mode stays,
// and a link to it stays one.
func (r *Root) ReplaceFile(path string, text []byte) error {
	path, err := realPath(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(fileMode)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	return r.replace(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new"), path, mode, text)
}

func (r *Root) replace(temporary, path string, mode fs.FileMode, text []byte) error {
	if err := r.before("write", temporary); err != nil {
		return err
	}
	if err := os.WriteFile(temporary, text, mode); err != nil {
		return err
	}
	if err := r.flush(temporary, mode); err != nil {
		return err
	}
	return r.rename(temporary, path)
}

// Remove takes a release away.
func (r *Root) Remove(v policy.Version) error {
	away := filepath.Join(r.Dir, Staging)
	if err := r.mkdir(away); err != nil {
		return err
	}
	away = filepath.Join(away, "removed-"+v.String())
	if err := r.rename(r.Release(v), away); err != nil {
		return err
	}
	if err := r.before("remove all", away); err != nil {
		return err
	}
	return os.RemoveAll(away)
}

// RemovePatch takes the patch between two versions away, its signature first:
// no client uses a patch without one, and what is left after an interruption is
// still a patch to be removed.
func (r *Root) RemovePatch(from, to policy.Version) error {
	dir := r.Release(to)
	for _, name := range []string{Signature(r.Patch(from)), r.Patch(from)} {
		path := filepath.Join(dir, name)
		if err := r.before("remove", path); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return r.flush(dir, folderMode)
}

// mkdir makes a folder and those it is in, and sees to it that they stay.
func (r *Root) mkdir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s: not a folder", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := r.mkdir(parent); err != nil {
		return err
	}
	if err := r.before("make folder", dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, folderMode); err != nil {
		return err
	}
	// Whatever the umask is.
	if err := os.Chmod(dir, folderMode); err != nil {
		return err
	}
	return r.flushFolder(parent)
}

// rename moves a file or a folder and returns when that is durable.
func (r *Root) rename(from, to string) error {
	if err := r.before("rename", to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := r.flushFolder(filepath.Dir(to)); err != nil {
		return err
	}
	if filepath.Dir(from) == filepath.Dir(to) {
		return nil
	}
	return r.flushFolder(filepath.Dir(from))
}

// flush gives a file or folder its mode and returns when it is on disk.
func (r *Root) flush(path string, mode fs.FileMode) error {
	if err := r.before("flush", path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(mode), f.Sync(), f.Close())
}

// flushFolder returns when the names in a folder are on disk.
func (r *Root) flushFolder(dir string) error {
	if err := r.before("flush folder", dir); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
