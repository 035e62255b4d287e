// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Sizes and places from the PE Format (learn.microsoft.com/windows/win32/debug/pe-format).
const (
	dosHeaderBytes   = 64   // the MS-DOS header ends with the place of the PE header
	peHeaderPlace    = 0x3c // e_lfanew
	maxSections      = 96   // what Windows and systemd-boot load
	maxOptionalBytes = 240  // PE32+ with 16 data directories

	pe32, pe32Plus = 0x10b, 0x20b
	// Where the number of data directories is in the optional header, and how
	// much farther the certificate table, the fifth of them.
	directoriesPlace, directoriesPlacePlus = 92, 108
	certificatesBehind                     = 4 + 4*8
)

// image is what the headers of a PE image say. They are read here, with the
// types of debug/pe but not with its File: that also reads the symbols, as many
// as the file claims to have, and resolves section names through them, which
// neither firmware nor systemd-boot does.
type image struct {
	sections []section
	endBytes int64 // where the last section or the signature ends
}

type section struct {
	name                           string
	offset, fileBytes, memoryBytes int64
}

// readImage reads the headers. They must lie inside the file, the sections need not.
func readImage(r io.ReaderAt, sizeBytes int64) (image, error) {
	if sizeBytes == 0 {
		return image{}, errors.New("empty file")
	}
	dos, err := readExactly(r, 0, min(dosHeaderBytes, sizeBytes), sizeBytes)
	if err != nil {
		return image{}, err
	}
	if !bytes.HasPrefix(dos, []byte("MZ")) {
		return image{}, errNotPE
	}
	if len(dos) < dosHeaderBytes {
		return image{}, cutShort(sizeBytes, dosHeaderBytes)
	}
	place := int64(binary.LittleEndian.Uint32(dos[peHeaderPlace:]))
	var header struct {
		Magic [4]byte
		pe.FileHeader
	}
	if err := readStruct(r, place, sizeBytes, &header); err != nil {
		return image{}, err
	}
	if string(header.Magic[:]) != "PE\x00\x00" {
		return image{}, errNotPE
	}
	place += int64(binary.Size(header))
	signatureEnd, err := readOptional(r, place, int64(header.SizeOfOptionalHeader), sizeBytes)
	if err != nil {
		return image{}, err
	}
	place += int64(header.SizeOfOptionalHeader)
	sections, err := readSections(r, place, int(header.NumberOfSections), sizeBytes)
	if err != nil {
		return image{}, err
	}
	i := image{sections: sections, endBytes: signatureEnd}
	for _, s := range sections {
		if s.fileBytes > 0 {
			i.endBytes = max(i.endBytes, s.offset+s.fileBytes)
		}
	}
	return i, nil
}

// readOptional returns where the certificate table ends, 0 without one. It is
// appended to the file, and its address is a place in the file.
func readOptional(r io.ReaderAt, place, lengthBytes, sizeBytes int64) (int64, error) {
	data, err := readExactly(r, place, min(lengthBytes, maxOptionalBytes), sizeBytes)
	if err != nil {
		return 0, err
	}
	if len(data) < 2 {
		return 0, errors.New("PE image: no optional header")
	}
	var directories int
	switch binary.LittleEndian.Uint16(data) {
	case pe32:
		directories = directoriesPlace
	case pe32Plus:
		directories = directoriesPlacePlus
	default:
		return 0, errors.New("PE image: unknown kind")
	}
	table := directories + certificatesBehind
	if len(data) < table+8 || binary.LittleEndian.Uint32(data[directories:]) <= pe.IMAGE_DIRECTORY_ENTRY_SECURITY {
		return 0, nil
	}
	address := int64(binary.LittleEndian.Uint32(data[table:]))
	return address + int64(binary.LittleEndian.Uint32(data[table+4:])), nil
}

func readSections(r io.ReaderAt, place int64, count int, sizeBytes int64) ([]section, error) {
	if count == 0 || count > maxSections {
		return nil, fmt.Errorf("PE image: %d sections", count)
	}
	headers := make([]pe.SectionHeader32, count)
	if err := readStruct(r, place, sizeBytes, headers); err != nil {
		return nil, err
	}
	sections := make([]section, count)
	for n, h := range headers {
		sections[n] = section{
			name:        string(bytes.TrimRight(h.Name[:], "\x00")),
			offset:      int64(h.PointerToRawData),
			fileBytes:   int64(h.SizeOfRawData),
			memoryBytes: int64(h.VirtualSize),
		}
	}
	return sections, nil
}

// check tells whether the file is as long as its headers say.
func (i image) check(sizeBytes int64) error {
	if i.endBytes > sizeBytes {
		return cutShort(sizeBytes, i.endBytes)
	}
	return nil
}

func cutShort(sizeBytes, endBytes int64) error {
	return fmt.Errorf("%w: %d of %d bytes", ErrCutShort, sizeBytes, endBytes)
}

// find returns the sections of a name. systemd-boot 252 compares only as many
// bytes as it looks for, so ".osrelease" counts as an ".osrel".
func (i image) find(name string) []section {
	var found []section
	for _, s := range i.sections {
		if strings.HasPrefix(s.name, name) {
			found = append(found, s)
		}
	}
	return found
}

func readStruct(r io.ReaderAt, place, sizeBytes int64, into any) error {
	data, err := readExactly(r, place, int64(binary.Size(into)), sizeBytes)
	if err != nil {
		return err
	}
	_, err = binary.Decode(data, binary.LittleEndian, into)
	return err
}

// readExactly reads bytes that must lie inside the file.
func readExactly(r io.ReaderAt, place, lengthBytes, sizeBytes int64) ([]byte, error) {
	if place > sizeBytes || lengthBytes > sizeBytes-place {
		return nil, cutShort(sizeBytes, place+lengthBytes)
	}
	data := make([]byte, lengthBytes)
	_, err := io.ReadFull(io.NewSectionReader(r, place, lengthBytes), data)
	return data, err
}
