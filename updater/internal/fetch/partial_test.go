// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
)

// file is a Partial in memory that holds File to the order it promises.
type file struct {
	t         testing.TB
	data      []byte
	validator string
	begun     bool // Begin came since the last answer
	keeps     []bool
	writeErr  error
	onWrite   func()
}

func (f *file) Len() int64        { return int64(len(f.data)) }
func (f *file) Validator() string { return f.validator }

func (f *file) Begin(validator string, keep bool) error {
	if keep && validator != f.validator {
		f.t.Errorf("Begin(%q, true) over bytes of %q", validator, f.validator)
	}
	f.validator, f.begun = validator, true
	f.keeps = append(f.keeps, keep)
	if !keep {
		f.data = f.data[:0]
	}
	return nil
}

var errDisk = errors.New("disk broken")

func (f *file) Write(p []byte) (int, error) {
	if !f.begun {
		f.t.Error("Write before Begin")
	}
	if f.onWrite != nil {
		f.onWrite()
	}
	if f.writeErr != nil {
		return 0, f.writeErr
	}
	f.data = append(f.data, p...)
	return len(p), nil
}

// holds fails the test unless the file is want, byte for byte.
func (f *file) holds(want []byte) {
	f.t.Helper()
	if got := sha256.Sum256(f.data); got != sha256.Sum256(want) {
		f.t.Errorf("holds %d bytes with SHA-256 %x, want %d with %x", len(f.data), got, len(want), sha256.Sum256(want))
	}
}

// startsLike fails the test unless what the file holds is a beginning of want.
func (f *file) startsLike(want []byte) {
	f.t.Helper()
	if !bytes.HasPrefix(want, f.data) {
		f.t.Errorf("holds %d bytes that are no beginning of the file", len(f.data))
	}
}
