// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// maxMemoryBytes is more than any memory takes.
const maxMemoryBytes = 64 << 10

// store is the file in which the memory survives a restart.
type store struct{ path string }

// load returns what was remembered. One that is not there is empty; so is one
// that cannot be read, which is told with it: the worst is that the user is
// asked again.
func (s store) load() (memory, error) {
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxMemoryBytes+1))
	if err != nil {
		return memory{}, err
	}
	m, err := parseMemory(data)
	if err != nil {
		return memory{}, fmt.Errorf("%s: %w", s.path, err)
	}
	return m, nil
}

func parseMemory(data []byte) (memory, error) {
	var m memory
	if len(data) > maxMemoryBytes {
		return memory{}, fmt.Errorf("more than %d bytes", maxMemoryBytes)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return memory{}, err
	}
	return m, nil
}

func encodeMemory(m memory) ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "\t")
	return append(data, '\n'), err
}

// save replaces the file: after a power cut it is the old one or the new.
func (s store) save(m memory) error {
	data, err := encodeMemory(m)
	if err != nil {
		return err
	}
	// 0700 is what the XDG Base Directory Specification asks for.
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(s.path, data, 0o600)
}
