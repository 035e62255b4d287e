// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/clipos/updater/policy"
)

// Record is the little that cannot be read from the disk again: everything
// else, above all what an interrupted update left, is seen from the volumes
// and the boot entries, so that there is nothing to disagree with.
type Record struct {
	// HighestGood is the highest version that ever came up good here.
	HighestGood string `json:"highest_good,omitempty"`
	// LastCheck is the last time the server was asked, LastSuccess the last
	// time its answer could be verified, FailedChecks how many failed since.
	LastCheck    time.Time `json:"last_check,omitzero"`
	LastSuccess  time.Time `json:"last_success,omitzero"`
	FailedChecks int       `json:"failed_checks,omitempty"`
	// AvailableVersion is what the last successful check found.
	AvailableVersion string `json:"available_version,omitempty"`
	// Unfinished is the transaction that was begun and has not ended.
	Unfinished *Transaction `json:"unfinished,omitempty"`
	// PendingVersion was made to boot next and has not come up good yet,
	// PendingBoot is the boot (random(4), boot_id) in which that was done.
	PendingVersion string `json:"pending_version,omitempty"`
	PendingBoot    string `json:"pending_boot,omitempty"`
	// FailedVersions were booted and did not come up good, the last one first.
	FailedVersions []string `json:"failed_versions,omitempty"`
	// Forgiven are versions whose spent boot counter says nothing any more.
	Forgiven []string `json:"forgiven,omitempty"`
	// RolledBack is a return to an older version that nobody was told of yet.
	RolledBack *RolledBackEvent `json:"rolled_back,omitempty"`
	// Hold is nil when nobody holds updates.
	Hold *Hold `json:"hold,omitempty"`
	// FailedUpdates counts the attempts by schedule that failed in a row,
	// LastFailedUpdate is when the last one did.
	FailedUpdates    int       `json:"failed_updates,omitempty"`
	LastFailedUpdate time.Time `json:"last_failed_update,omitzero"`
	// History are the transactions that have ended, newest first.
	History History `json:"history,omitempty"`
}

// Hold says that nothing is installed by itself, until Until, zero for until
// somebody ends it.
type Hold struct {
	Reason string    `json:"reason"`
	Until  time.Time `json:"until,omitzero"`
}

// Holds tells whether it does at a time.
func (h *Hold) Holds(now time.Time) bool {
	return h != nil && (h.Until.IsZero() || now.Before(h.Until))
}

// Transaction is one update that somebody was told about.
type Transaction struct {
	ID      string    `json:"id"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
}

// highestGood is the version below which nothing is installed, zero for none.
func (r Record) highestGood() policy.Version {
	v, err := policy.ParseVersion(r.HighestGood)
	if err != nil {
		return policy.Version{}
	}
	return v
}

const recordFile = "state.json"

// Store keeps the record in <state>/state.json. Safe for concurrent use.
type Store struct {
	path   string
	mu     sync.Mutex
	record Record
	// flush makes durable what names a folder has.
	flush func(folder string) error
}

// openStore reads the record. One that cannot be used is set aside as
// state.json.corrupt and reported in warning: a machine must stay updatable.
// One that cannot be read just now may be good and is an error.
func openStore(state string) (s *Store, warning error, err error) {
	s = &Store{path: filepath.Join(state, recordFile), flush: syncFolder}
	data, broken := readTrusted(s.path, rootOnly)
	var unread *os.PathError
	switch {
	case errors.Is(broken, fs.ErrNotExist):
		return s, nil, nil
	case errors.As(broken, &unread):
		return nil, nil, broken
	case broken == nil:
		s.record, broken = parseRecord(data)
	}
	if broken == nil {
		return s, nil, nil
	}
	aside := s.path + ".corrupt"
	if err := os.Rename(s.path, aside); err != nil {
		return nil, nil, err
	}
	return s, fmt.Errorf("%s: %w; set aside as %s, the highest good version is learnt anew", recordFile, broken, aside), nil
}

// parseRecord reads a record whole or not at all. One whose highest good
// version is none is corrupt, and not silently without protection from
// downgrades.
func parseRecord(data []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, err
	}
	if r.HighestGood != "" {
		if _, err := policy.ParseVersion(r.HighestGood); err != nil {
			return Record{}, fmt.Errorf("highest_good: %w", err)
		}
	}
	return r, nil
}

func (r Record) encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	return append(data, '\n'), err
}

// clone returns a record that shares nothing with r.
func (r Record) clone() Record {
	r.Unfinished, r.RolledBack, r.Hold = copied(r.Unfinished), copied(r.RolledBack), copied(r.Hold)
	r.FailedVersions, r.Forgiven = slices.Clone(r.FailedVersions), slices.Clone(r.Forgiven)
	r.History = slices.Clone(r.History)
	return r
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	value := *p
	return &value
}

// Record returns the record as it is.
func (s *Store) Record() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.clone()
}

// Change applies change and, when the record differs then, replaces the file
// atomically: after a power cut there is the old record or the new one.
func (s *Store) Change(change func(*Record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.record.clone()
	change(&next)
	was, err := s.record.encode()
	if err != nil {
		return err
	}
	is, err := next.encode()
	if err != nil || bytes.Equal(was, is) {
		return err
	}
	if err := renameio.WriteFile(s.path, is, 0o600, renameio.WithTempDir(filepath.Dir(s.path))); err != nil {
		return err
	}
	s.record = next.clone()
	// renameio flushes the file, not the folder that names it.
	return s.flush(filepath.Dir(s.path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
