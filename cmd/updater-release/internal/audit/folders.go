// SPDX-License-Identifier: LGPL-2.1-or-later

package audit

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipos/updater/cmd/updater-release/internal/signing"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
)

// maxSecretBytes is more than a file with a secret key has.
const maxSecretBytes = 16 << 10

// checkFolders notes what is wrong with the folders that lead to releases and
// to the version document, and with what lies beside those.
func (a *Auditor) checkFolders() {
	product := filepath.Dir(a.Root.Document())
	v1 := filepath.Dir(product)
	update := filepath.Dir(v1)
	// The web root may be a link to where it is; nothing in it is one.
	a.checkFolder(a.Root.Dir, os.Stat)
	a.checkFolder(a.Root.Dist(), os.Lstat)
	ours := []string{filepath.Base(a.Root.Dist()), filepath.Base(update), webroot.Staging}
	for _, path := range a.others(a.Root.Dir, ours...) {
		// A server may have more to say than releases, such as index.html.
		a.checkOther(path)
	}
	for _, f := range [][2]string{{update, "v1"}, {v1, a.Root.Product}, {product, filepath.Base(a.Root.Document())}} {
		if !a.checkFolder(f[0], os.Lstat) {
			return
		}
		for _, path := range a.others(f[0], f[1]) {
			a.find(path, "belongs to no release of %s", a.Root.Product)
			a.checkOther(path)
		}
	}
}

// checkFolder notes what is wrong with a folder and tells whether it is one.
// There may be none: then nothing is offered yet.
func (a *Auditor) checkFolder(path string, stat func(string) (fs.FileInfo, error)) bool {
	info, err := stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		a.find(path, "%v", err)
		return false
	case !info.IsDir():
		a.find(path, "not a folder")
		return false
	case info.Mode()&0o005 != 0o005:
		a.find(path, "mode %04o, a server cannot look into it", info.Mode().Perm())
	}
	return true
}

// others is what a folder has besides ours.
func (a *Auditor) others(dir string, ours ...string) (paths []string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.find(dir, "%v", err)
	}
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// checkOther notes links and secret keys in what is no part of a release: a
// server would hand out what they lead to.
func (a *Auditor) checkOther(path string) {
	// The error is always that of a finding.
	_ = filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission):
			// Another user's, as lost+found is.
		case err != nil:
			a.find(path, "%v", err)
		case e.Type()&fs.ModeSymlink != 0:
			a.find(path, "a link, and a server may follow it")
		case e.Type().IsRegular() && isSecret(path):
			a.find(path, "a secret key, which everybody can fetch from a server")
		}
		return nil
	})
}

// isSecret tells whether a file has a secret key: of minisign, which signs
// releases, or of a server, in PEM.
func isSecret(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Size() > maxSecretBytes {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && (signing.IsSecret(text) || bytes.Contains(text, []byte("PRIVATE KEY-----")))
}
