// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrNoGroup: LVM would not find the volume group, or not read it.
var ErrNoGroup = errors.New("volume group lost")

// LVM's structures on a physical volume: lvm2's lib/format_text/layout.h and
// lib/label/label.h. All numbers are little-endian.
const (
	labelSectors     = 4                              // LABEL_SCAN_SECTORS
	labelID          = "LABELONE"                     // LABEL_ID
	areaMagic        = " LVM2 x[5A%r0N*>"             // FMTT_MAGIC
	areaHeaderBytes  = 512                            // MDA_HEADER_SIZE
	crcInitial       = 0xf597a6cf                     // INITIAL_CRC
	locationIgnored  = 1                              // RAW_LOCN_IGNORED
	maxMetadataBytes = 16 << 20                       // far more than the 1 MiB of an area
	pvHeaderBytes    = 32 + 8                         // UUID and size, before the lists of areas
	areaHeaderFixed  = 4 + len(areaMagic) + 4 + 8 + 8 // before the list of locations
)

// labelHeader is struct label_header.
type labelHeader struct {
	ID     [8]byte
	Sector uint64
	CRC    uint32
	Offset uint32
	Type   [8]byte
}

// diskArea is struct disk_locn; a list of them ends with one of no offset.
type diskArea struct{ Offset, Bytes uint64 }

// location is struct raw_locn: where the text is, from the beginning of the area.
type location struct {
	Offset, Bytes   uint64
	Checksum, Flags uint32
}

func lvmCRC(data []byte) uint32 {
	// LVM does not invert; Go's function does, before and after.
	return ^crc32.Update(^uint32(crcInitial), crc32.IEEETable, data)
}

// readMetadata returns the texts of the group that a physical volume has and
// that are whole. There is none only when there is an error that says why.
func readMetadata(pv io.ReaderAt) ([][]byte, error) {
	areas, err := readLabel(pv)
	if err != nil {
		return nil, err
	}
	var texts [][]byte
	var errs []error
	for _, a := range areas {
		text, err := readArea(pv, a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNoGroup, errors.Join(append(errs, errors.New("no copy of the metadata is whole"))...))
	}
	return texts, nil
}

// readLabel finds the metadata areas.
func readLabel(pv io.ReaderAt) ([]diskArea, error) {
	for number := range labelSectors {
		sector := make([]byte, SectorBytes)
		if _, err := pv.ReadAt(sector, int64(number)*SectorBytes); err != nil {
			return nil, err
		}
		var h labelHeader
		if _, err := binary.Decode(sector, binary.LittleEndian, &h); err != nil || string(h.ID[:]) != labelID {
			continue
		}
		if lvmCRC(sector[20:]) != h.CRC || h.Sector != uint64(number) || int(h.Offset) > len(sector)-pvHeaderBytes {
			return nil, fmt.Errorf("%w: damaged label", ErrNoGroup)
		}
		return metadataAreas(sector[int(h.Offset)+pvHeaderBytes:])
	}
	return nil, fmt.Errorf("%w: no label", ErrNoGroup)
}

// metadataAreas skips the list of data areas.
func metadataAreas(lists []byte) ([]diskArea, error) {
	var areas []diskArea
	ends := 0
	for ; len(lists) >= 16; lists = lists[16:] {
		a := diskArea{binary.LittleEndian.Uint64(lists), binary.LittleEndian.Uint64(lists[8:])}
		switch {
		case a.Offset == 0:
			ends++
		case ends == 1:
			areas = append(areas, a)
		}
		if ends == 2 {
			return areas, nil
		}
	}
	return nil, fmt.Errorf("%w: damaged label", ErrNoGroup)
}

// readArea reads the committed text of an area: the first location. What was
// only prepared is in the second one, which nobody reads.
func readArea(pv io.ReaderAt, a diskArea) ([]byte, error) {
	header := make([]byte, areaHeaderBytes)
	if _, err := pv.ReadAt(header, int64(a.Offset)); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(header) != lvmCRC(header[4:]) || string(header[4:20]) != areaMagic {
		return nil, errors.New("damaged header of a metadata area")
	}
	var l location
	if _, err := binary.Decode(header[areaHeaderFixed:], binary.LittleEndian, &l); err != nil {
		return nil, err
	}
	switch {
	case l.Offset == 0, l.Flags&locationIgnored != 0:
		return nil, errors.New("a metadata area without metadata")
	case l.Bytes > maxMetadataBytes, l.Offset >= a.Bytes, l.Bytes > a.Bytes-areaHeaderBytes:
		return nil, errors.New("damaged location of metadata")
	}
	text, err := readAround(pv, a, l)
	if err != nil {
		return nil, err
	}
	if lvmCRC(text) != l.Checksum {
		return nil, errors.New("checksum error in metadata")
	}
	return bytes.TrimRight(text, "\x00"), nil
}

// readAround reads a text that may go on at the beginning of the area, behind
// the header.
func readAround(pv io.ReaderAt, a diskArea, l location) ([]byte, error) {
	text := make([]byte, l.Bytes)
	first := min(l.Bytes, a.Bytes-l.Offset)
	if _, err := pv.ReadAt(text[:first], int64(a.Offset+l.Offset)); err != nil {
		return nil, err
	}
	if first < l.Bytes {
		if _, err := pv.ReadAt(text[first:], int64(a.Offset)+areaHeaderBytes); err != nil {
			return nil, err
		}
	}
	return text, nil
}
