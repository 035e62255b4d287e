// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Sections of a unified kernel image: UAPI.5, Unified Kernel Image.
const (
	releaseSection     = ".osrel"
	commandLineSection = ".cmdline"
)

// UKI is what a unified kernel image says about the system that it starts.
type UKI struct {
	OSRelease   map[string]string
	CommandLine string
}

// ReadUKI reads a unified kernel image of sizeBytes. It is strict, since what it
// returns is compared with facts that are trusted: a section that is missing,
// there twice or not wholly inside the file is an error, and so is all that
// systemd-boot and systemd-stub could read otherwise.
func ReadUKI(r io.ReaderAt, sizeBytes int64) (UKI, error) {
	i, err := readImage(r, sizeBytes)
	if err != nil {
		return UKI{}, err
	}
	if err := i.check(sizeBytes); err != nil {
		return UKI{}, err
	}
	release, err := i.text(r, releaseSection)
	if err != nil {
		return UKI{}, err
	}
	fields, err := ParseOSRelease(release)
	if err != nil {
		return UKI{}, fmt.Errorf("section %s: %w", releaseSection, err)
	}
	commandLine, err := i.text(r, commandLineSection)
	if err != nil {
		return UKI{}, err
	}
	// Tools end the text with a line break, a NUL, or both.
	text := strings.TrimRight(string(commandLine), "\x00\n ")
	if strings.ContainsRune(text, 0) {
		return UKI{}, fmt.Errorf("section %s: NUL in the text", commandLineSection)
	}
	return UKI{OSRelease: fields, CommandLine: text}, nil
}

// text reads the only section of that name.
func (i image) text(r io.ReaderAt, name string) ([]byte, error) {
	found := i.find(name)
	if len(found) == 0 {
		return nil, fmt.Errorf("section %s: missing", name)
	}
	if len(found) > 1 || found[0].name != name {
		return nil, fmt.Errorf("section %s: not the only one that begins so", name)
	}
	data, err := found[0].read(r)
	if err != nil {
		return nil, fmt.Errorf("section %s: %w", name, err)
	}
	return data, nil
}

// read returns the section without the bytes that only fill up its last block.
func (s section) read(r io.ReaderAt) ([]byte, error) {
	switch {
	case s.memoryBytes == 0:
		return nil, errors.New("empty")
	case s.memoryBytes > s.fileBytes:
		// systemd-boot reads on into the next section, the stub reads zeros.
		return nil, fmt.Errorf("%d bytes in memory, only %d in the file", s.memoryBytes, s.fileBytes)
	case s.memoryBytes > maxTextBytes:
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", s.memoryBytes, maxTextBytes)
	}
	data := make([]byte, s.memoryBytes)
	_, err := io.ReadFull(io.NewSectionReader(r, s.offset, s.memoryBytes), data)
	return data, err
}
