// SPDX-License-Identifier: LGPL-2.1-or-later

// Package audit judges a web root as clients would, all of it: what would be
// refused, or would be fetched in vain, is found before they find it.
//
// # What is looked at
//
//   - names: every release has two payloads and their signatures, and nothing
//     that is no part of a release; a server may read everything of it and look
//     into the folders on the way. What else lies at the top of the web root is
//     no finding, unless it is or has a link or a secret key.
//   - signatures: made by the key, in the format that clients take, for the
//     version of the folder; and they fit the bytes.
//   - content: the payloads are the product's, of that version, and belong
//     together.
//   - what spares downloads: each compressed image unpacks, and each patch
//     rebuilds from its base, to the bytes that the plain image's signature is
//     of.
//   - offers: what the version document and the channels offer is there, and the
//     document says what the channels file says.
//
// The client's own code decides ([updater.Judge], package patch). Nothing is
// changed. Findings are data; an error is that the audit itself did not come to
// its end.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	// File is its path from the web root, or the name of the channels file.
	File string
	// Text may quote what was found, which can be anything.
	Text string
}

func (f Finding) String() string { return f.File + ": " + f.Text }

// Auditor judges one web root.
type Auditor struct {
	Root  *webroot.Root
	Judge *updater.Judge
	// Workers is how many files are looked at at the same time. Each takes
	// about 100 MiB when it is a patch or a compressed image.
	Workers int
	// Progress, when not nil, is told how many bytes have been judged, of how
	// many; it is called by one goroutine at a time.
	Progress func(doneBytes, totalBytes int64)

	mu          sync.Mutex
	findings    []Finding
	done, total int64
}

// find notes a finding.
func (a *Auditor) find(path, format string, args ...any) {
	file, err := filepath.Rel(a.Root.Dir, path)
	if err != nil {
		file = path
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.findings = append(a.findings, Finding{File: file, Text: fmt.Sprintf(format, args...)})
}

// Write counts bytes that have been judged.
func (a *Auditor) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done += int64(len(p))
	if a.Progress != nil {
		a.Progress(a.done, a.total)
	}
	return len(p), nil
}

// task looks at one thing. It notes what it finds; its error is that it could
// not come to its end.
type task struct {
	bytes int64 // what it judges
	do    func(context.Context) error
}

// Release judges one release in a folder, which may be still to be published.
// The bases of its patches are in the web root.
func (a *Auditor) Release(ctx context.Context, v policy.Version, dir string) ([]Finding, error) {
	return a.judge(ctx, a.release(v, dir))
}

// Core judges the core image of a published release alone.
func (a *Auditor) Core(ctx context.Context, v policy.Version) ([]Finding, error) {
	r := &release{Auditor: a, version: v, dir: a.Root.Release(v)}
	return a.judge(ctx, []task{{0, func(ctx context.Context) error { return r.checkBytes(ctx, a.Root.Core()) }}})
}

// judge carries out the tasks and returns all findings.
func (a *Auditor) judge(ctx context.Context, tasks []task) ([]Finding, error) {
	a.done, a.total = 0, 0
	for _, t := range tasks {
		a.total += t.bytes
	}
	// The largest first: the end comes sooner.
	slices.SortStableFunc(tasks, func(x, y task) int { return cmp.Compare(y.bytes, x.bytes) })
	work := make(chan task)
	errs := make([]error, max(1, a.Workers))
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			for t := range work {
				if errs[i] == nil {
					errs[i] = t.do(ctx)
				}
			}
		})
	}
	for _, t := range tasks {
		work <- t
	}
	close(work)
	group.Wait()
	findings := a.findings
	a.findings = nil
	slices.SortFunc(findings, func(x, y Finding) int { return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Text, y.Text)) })
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return findings, ctx.Err()
}
