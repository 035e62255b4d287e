// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"io/fs"
)

// Survey is what the folder holds and what the boot loader says, at one moment.
type Survey struct {
	Entries []Entry // everything in the folder, by name
	// FreeBytes is the room for new files, which take whole blocks of BlockBytes.
	FreeBytes, BlockBytes int64
	// Selected is the entry that systemd-boot started, by the name that its file
	// had before its boot counter went down, in small letters. "" is unknown.
	Selected string
	// Default is the pattern that goes before the order of the menu. "" is none.
	Default string
	// DefaultWritable: SetDefault can be expected to succeed.
	DefaultWritable bool
}

// Survey reads the folder and the loader's variables. ErrNotMounted when the
// partition is not there or cannot be written.
func (p *Partition) Survey() (Survey, error) {
	d, m, err := p.open()
	if err != nil {
		return Survey{}, err
	}
	defer d.Close()
	names, err := d.names()
	if err != nil {
		return Survey{}, err
	}
	s := Survey{FreeBytes: m.freeBytes, BlockBytes: m.blockBytes}
	for _, name := range names {
		e, err := p.entry(d, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return Survey{}, err
		}
		s.Entries = append(s.Entries, e)
	}
	p.readVariables(&s)
	return s, nil
}

// readVariables leaves empty what cannot be read: a machine without the
// variables, or with broken ones, can be updated all the same.
func (p *Partition) readVariables(s *Survey) {
	s.Selected, _ = p.variable(entrySelected).read()
	var err error
	s.Default, err = p.variable(entryDefault).read()
	s.DefaultWritable = err == nil && p.variablesWritable()
}
