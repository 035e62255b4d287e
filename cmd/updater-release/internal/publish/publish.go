// SPDX-License-Identifier: LGPL-2.1-or-later

// Package publish adds releases to a web root, offers them to machines, and
// removes old ones.
//
// # Adding
//
//  1. The payloads are copied to where the release is made; from then on only
//     the copies count.
//  2. They are judged as a client will judge them, and so is the order among
//     the releases that are there: the client's is that of semantic versions,
//     systemd-boot has another one.
//  3. They are signed, with the version as the trusted comment; compressed
//     image and patches from the releases before are made and signed.
//  4. All of it is judged again: signatures, that the compressed image unpacks
//     and each patch rebuilds to the plain image.
//  5. It appears in the web root, all at once. Nobody is offered it yet.
//
// # Offering
//
// The channels file is replaced first and the version document last, and only
// after the releases they lead to have been judged once more. In between a server without
// rules for channels offers what it did before.
//
// # Removing
//
// What any channel or the version document offers stays, and so do the bases
// of its patches.
package publish

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/clipos/updater/cmd/updater-release/internal/audit"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// Errors a caller may want to tell apart.
var (
	ErrNotThere  = errors.New("is not in the web root")
	ErrBootOrder = errors.New("systemd-boot would not start it by default")
	ErrOlder     = errors.New("older than what the channel is offered")
	ErrTakesAway = errors.New("takes away what a part of the channel is offered")
)

// Publisher changes one web root.
type Publisher struct {
	Root *webroot.Root
	// ChannelsFile is its path; the file may not be there yet.
	ChannelsFile string
	Judge        *updater.Judge // not for Prune
	// Workers is how many parts of an image are worked on at the same time.
	Workers int
	// Warn is told what the release engineer should know.
	Warn func(format string, args ...any)
	// Progress shows how far the work is.
	Progress Progress
}

// Progress shows one long step after the other.
type Progress interface {
	Begin(what string)
	Done(doneBytes, totalBytes int64)
	// End ends the step with what came of it.
	End(result string)
}

// FindingsError is a release that clients would not take.
type FindingsError struct{ Findings []audit.Finding }

func (e *FindingsError) Error() string {
	return fmt.Sprintf("%s (of %d findings)", e.Findings[0], len(e.Findings))
}

// auditor judges with the publisher's means.
func (p *Publisher) auditor() *audit.Auditor {
	return &audit.Auditor{
		Root: p.Root, Judge: p.Judge, Workers: p.Workers,
		Progress: p.Progress.Done,
	}
}

// judge fails unless the release in a folder is as it should be.
func (p *Publisher) judge(ctx context.Context, v policy.Version, dir string) error {
	p.Progress.Begin("verify " + v.String())
	findings, err := p.auditor().Release(ctx, v, dir)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		return &FindingsError{findings}
	}
	p.Progress.End("good")
	return nil
}

// change locks the web root while f changes it.
func (p *Publisher) change(f func() error) error {
	if err := p.Root.Lock(); err != nil {
		return err
	}
	return errors.Join(f(), p.Root.Unlock())
}

// document is the version that the version document offers, zero when there is
// none.
func (p *Publisher) document() (policy.Version, error) {
	text, err := os.ReadFile(p.Root.Document())
	if errors.Is(err, os.ErrNotExist) {
		return policy.Version{}, nil
	}
	if err != nil {
		return policy.Version{}, err
	}
	v, err := updater.ParseVersionDocument(text)
	if err != nil {
		return policy.Version{}, fmt.Errorf("%s: %w", p.Root.Document(), err)
	}
	return v, nil
}
