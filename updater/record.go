// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	// PendingVersion was installed last and has not been booted yet.
	PendingVersion string `json:"pending_version,omitempty"`
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
}

// openStore reads the record. One that cannot be read is set aside as
// state.json.corrupt and reported in warning: a machine must stay updatable.
func openStore(state string) (s *Store, warning error, err error) {
	s = &Store{path: filepath.Join(state, recordFile)}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if broken := json.Unmarshal(data, &s.record); broken != nil {
		s.record = Record{}
		aside := s.path + ".corrupt"
		if err := os.Rename(s.path, aside); err != nil {
			return nil, nil, err
		}
		warning = fmt.Errorf("%s: %w; set aside as %s, the highest good version is learnt anew", s.path, broken, aside)
	}
	return s, warning, nil
}

// Record returns the record as it is.
func (s *Store) Record() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record
}

// Change applies change and, when the record differs then, replaces the file
// atomically: after a power cut there is the old record or the new one.
func (s *Store) Change(change func(*Record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.record
	change(&next)
	if next == s.record {
		return nil
	}
	data, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(s.path, append(data, '\n'), 0o600, renameio.WithTempDir(filepath.Dir(s.path))); err != nil {
		return err
	}
	s.record = next
	// renameio flushes the file, not the folder that names it.
	return syncFolder(filepath.Dir(s.path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
