// SPDX-License-Identifier: LGPL-2.1-or-later

package audit

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
	"github.com/clipos/updater/updater/patch"
)

// maxSignatureBytes is more than any client takes.
const maxSignatureBytes = 64 << 10

// release is one that is looked at.
type release struct {
	*Auditor
	version policy.Version
	dir     string
	// sizes of the regular files by their names.
	sizes map[string]int64
}

// release notes what names and modes tell, and returns what is left to do.
func (a *Auditor) release(v policy.Version, dir string) []task {
	r := &release{Auditor: a, version: v, dir: dir, sizes: map[string]int64{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		a.find(dir, "%v", err)
		return nil
	}
	for _, e := range entries {
		r.look(e)
	}
	for _, name := range []string{a.Root.Core(), a.Root.Efiboot()} {
		if _, found := r.sizes[name]; !found {
			a.find(r.path(name), "missing")
		}
	}
	var tasks []task
	for name := range r.sizes {
		tasks = append(tasks, r.tasks(name)...)
	}
	return tasks
}

func (r *release) path(name string) string { return filepath.Join(r.dir, name) }

// look notes what is wrong with a file before it is opened.
func (r *release) look(e fs.DirEntry) {
	path := r.path(e.Name())
	info, err := e.Info()
	switch {
	case err != nil:
		r.find(path, "%v", err)
		return
	case !info.Mode().IsRegular():
		r.find(path, "not a regular file")
		return
	case info.Mode()&0o004 == 0:
		r.find(path, "mode %04o, a server cannot read it", info.Mode().Perm())
	}
	r.sizes[e.Name()] = info.Size()
	if !r.isPart(strings.TrimSuffix(e.Name(), webroot.Signature(""))) {
		r.find(path, "no part of a release of %s", r.Root.Product)
		r.checkOther(path)
		delete(r.sizes, e.Name())
	}
}

// isPart tells whether a file belongs into a release.
func (r *release) isPart(name string) bool {
	_, isPatch := r.Root.PatchFrom(name)
	return isPatch || slices.Contains([]string{r.Root.Core(), r.Root.Efiboot(), r.Root.Compressed()}, name)
}

// tasks are what there is to do for a file.
func (r *release) tasks(name string) []task {
	if file, isSignature := strings.CutSuffix(name, webroot.Signature("")); isSignature {
		if _, found := r.sizes[file]; !found {
			r.find(r.path(name), "a signature of nothing")
		}
		return nil
	}
	tasks := []task{{r.sizes[name], func(ctx context.Context) error { return r.checkBytes(ctx, name) }}}
	coreBytes := r.sizes[r.Root.Core()]
	from, isPatch := r.Root.PatchFrom(name)
	switch {
	case name == r.Root.Efiboot():
		tasks = append(tasks, task{0, r.checkContent})
	case name == r.Root.Compressed():
		tasks = append(tasks, task{coreBytes, r.unpack})
	case isPatch:
		tasks = append(tasks, task{coreBytes, func(ctx context.Context) error { return r.rebuild(ctx, from) }})
	}
	return tasks
}

// signed checks the signature of a file and returns what its bytes are to be
// given to; nil when there is a finding, which is noted when report is true.
func (r *release) signed(name string, report bool) updater.SignedFile {
	path := r.path(webroot.Signature(name))
	text, err := readShort(path)
	var s updater.SignedFile
	if err == nil {
		s, err = r.Judge.Signature(text, r.version)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && report:
		r.find(path, "missing")
	case err != nil && report:
		r.find(path, "%v", err)
	}
	if err != nil {
		return nil
	}
	return s
}

func readShort(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSignatureBytes))
}

// checkBytes compares a file with its signature.
func (r *release) checkBytes(ctx context.Context, name string) error {
	s := r.signed(name, true)
	if s == nil {
		return nil
	}
	f, err := os.Open(r.path(name))
	if err != nil {
		r.find(r.path(name), "%v", err)
		return nil
	}
	defer f.Close()
	if err := r.pass(ctx, f, s); err != nil {
		r.find(r.path(name), "%v", err)
		return ctx.Err()
	}
	if err := s.Verify(); err != nil {
		r.find(r.path(name), "%v", err)
	}
	return nil
}

// pass hands the bytes of f to s, until the context ends.
func (r *release) pass(ctx context.Context, f io.Reader, s io.Writer) error {
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		if err := r.count(ctx, buf[:n], s); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// count hands p to s and notes that it was judged.
func (r *release) count(ctx context.Context, p []byte, s io.Writer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := s.Write(p); err != nil {
		return err
	}
	_, err := r.Write(p)
	return err
}

// checkContent opens both payloads. It stands at efiboot, which says what it
// boots.
func (r *release) checkContent(context.Context) error {
	path := r.path(r.Root.Efiboot())
	if _, found := r.sizes[r.Root.Core()]; !found {
		return nil // and there is a finding
	}
	core, closeCore, err := webroot.Open(r.path(r.Root.Core()))
	if err != nil {
		r.find(path, "%v", err)
		return nil
	}
	defer closeCore()
	efiboot, closeEfiboot, err := webroot.Open(path)
	if err != nil {
		r.find(path, "%v", err)
		return nil
	}
	defer closeEfiboot()
	if err := r.Judge.Content(r.version, core, efiboot); err != nil {
		r.find(path, "%v", err)
	}
	return nil
}

// unpack tells whether the compressed image is the plain one.
func (r *release) unpack(ctx context.Context) error {
	path := r.path(r.Root.Compressed())
	f, done, err := webroot.Open(path)
	if err != nil {
		r.find(path, "%v", err)
		return nil
	}
	defer done()
	return r.compare(ctx, path, func(write func([]byte) error) error {
		limit, found := r.sizes[r.Root.Core()]
		if !found {
			limit = math.MaxInt64 // its signature is still there to tell
		}
		_, err := patch.Decompress(ctx, f, limit, write)
		return err
	})
}

// rebuild tells whether a patch makes the plain image of its base.
func (r *release) rebuild(ctx context.Context, from policy.Version) error {
	path := r.path(r.Root.Patch(from))
	f, done, err := webroot.Open(path)
	if err != nil {
		r.find(path, "%v", err)
		return nil
	}
	defer done()
	base, baseDone, err := webroot.Open(filepath.Join(r.Root.Release(from), r.Root.Core()))
	if err != nil {
		r.find(path, "its base cannot be read: %v", err)
		return nil
	}
	defer baseDone()
	p, err := patch.Open(f, f.Size())
	if err != nil {
		r.find(path, "%v", err)
		return nil
	}
	h := p.Header()
	if h.From != from.String() || h.To != r.version.String() {
		r.find(path, "says of itself that it leads from %.80q to %.80q", h.From, h.To)
		return nil
	}
	if _, err := h.WorkersFor(patch.MaxRebuildBytes, 1); err != nil {
		r.find(path, "every machine passes it over: %v", err)
		return nil
	}
	return r.compare(ctx, path, func(write func([]byte) error) error { return p.Rebuild(ctx, base, 1, write) })
}

// compare notes a finding when what is made is not the plain image, by the
// signature of that.
func (r *release) compare(ctx context.Context, path string, made func(write func([]byte) error) error) error {
	plain := r.signed(r.Root.Core(), false)
	if plain == nil {
		r.find(path, "there is no valid signature of %s to compare it with", r.Root.Core())
		return nil
	}
	err := made(func(p []byte) error { return r.count(ctx, p, plain) })
	if err == nil {
		err = plain.Verify()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.find(path, "does not make %s: %v", r.Root.Core(), err)
	}
	return nil
}
