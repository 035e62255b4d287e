// SPDX-License-Identifier: LGPL-2.1-or-later

package audit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// All judges the whole web root. The channels may be nil; file is what their
// file is called.
func (a *Auditor) All(ctx context.Context, c *channels.File, file string) ([]Finding, error) {
	if a.Root.IsLeftBehind() {
		a.find(filepath.Join(a.Root.Dir, webroot.Staging), "left behind by an interrupted change; the next change removes it")
	}
	var tasks []task
	for _, v := range a.versions() {
		tasks = append(tasks, a.release(v, a.Root.Release(v))...)
	}
	a.checkFolders()
	a.checkOffers(c, file)
	return a.judge(ctx, tasks)
}

// versions are the releases; what else is in dist is noted.
func (a *Auditor) versions() []policy.Version {
	entries, err := os.ReadDir(a.Root.Dist())
	if err != nil {
		a.find(a.Root.Dist(), "%v", err)
	}
	var versions []policy.Version
	for _, e := range entries {
		path := filepath.Join(a.Root.Dist(), e.Name())
		v, err := policy.ParseVersion(e.Name())
		info, statErr := e.Info()
		switch {
		case err != nil:
			a.find(path, "%v", err)
			a.checkOther(path)
		case statErr != nil:
			a.find(path, "%v", statErr)
		case !e.IsDir():
			a.find(path, "not a folder")
		default:
			if info.Mode()&0o005 != 0o005 {
				a.find(path, "mode %04o, a server cannot look into it", info.Mode().Perm())
			}
			versions = append(versions, v)
		}
	}
	return versions
}

// checkOffers notes what is offered and not there.
func (a *Auditor) checkOffers(c *channels.File, file string) {
	document := a.document()
	if !document.IsZero() && !a.Root.Has(document) {
		a.find(a.Root.Document(), "offers %s, which is not there", document)
	}
	if c == nil {
		return
	}
	for _, channel := range c.Channels() {
		if channel.Inherited {
			continue
		}
		for _, v := range []policy.Version{channel.Version, channel.Previous} {
			if !v.IsZero() && !a.Root.Has(v) {
				a.findIn(file, "channel "+channel.Name+" offers "+v.String()+", which is not there")
			}
		}
	}
	stable, _ := c.Channel(channels.Stable)
	if settled := stable.Settled(); settled.Compare(document) != 0 {
		a.find(a.Root.Document(), "offers %s, and channel %s %s to all its machines", orNothing(document), channels.Stable, orNothing(settled))
	}
}

func orNothing(v policy.Version) string {
	if v.IsZero() {
		return "nothing"
	}
	return v.String()
}

func (a *Auditor) findIn(file, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.findings = append(a.findings, Finding{File: file, Text: text})
}

// document reads the version document. There may be none: then nothing is
// offered yet.
func (a *Auditor) document() policy.Version {
	path := a.Root.Document()
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return policy.Version{}
	}
	if err == nil && !info.Mode().IsRegular() {
		a.find(path, "not a regular file")
		return policy.Version{}
	}
	if err == nil && info.Mode()&0o004 == 0 {
		a.find(path, "mode %04o, a server cannot read it", info.Mode().Perm())
	}
	text, err := readShort(path)
	var v policy.Version
	if err == nil {
		v, err = updater.ParseVersionDocument(text)
	}
	if err != nil {
		a.find(path, "%v", err)
	}
	return v
}
