// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Types of partitions as they stand in a table: UEFI 2.10, 5.3.3, and the
// Discoverable Partitions Specification. The first three fields of a GUID are
// little-endian.
var (
	typeESP = [16]byte{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b}
	typeLVM = [16]byte{0x79, 0xd3, 0xd6, 0xe6, 0x07, 0xf5, 0xc2, 0x44, 0xa2, 0x3c, 0x23, 0x8f, 0x2a, 0x3d, 0xf9, 0x28}
)

type partition struct {
	Type, ID                [16]byte
	FirstSector, LastSector uint64
	Attributes              uint64
	Name                    [72]byte
}

func (p partition) offset() int64 { return int64(p.FirstSector) * SectorBytes }
func (p partition) bytes() int64  { return int64(p.LastSector-p.FirstSector+1) * SectorBytes }

// gptHeader is the one of UEFI 2.10, 5.3.2.
type gptHeader struct {
	Signature                   [8]byte
	Revision, HeaderBytes, CRC  uint32
	_                           uint32
	This, Other, First, Last    uint64
	ID                          [16]byte
	EntriesSector               uint64
	Entries, EntryBytes, AllCRC uint32
}

const gptHeaderBytes = 92

// readGPT reads the first partition table. The second one is for a first one
// that is damaged, which nothing in an update can do.
func readGPT(disk io.ReaderAt) ([]partition, error) {
	raw := make([]byte, gptHeaderBytes)
	if _, err := disk.ReadAt(raw, SectorBytes); err != nil {
		return nil, err
	}
	var h gptHeader
	if _, err := binary.Decode(raw, binary.LittleEndian, &h); err != nil {
		return nil, err
	}
	crc := h.CRC
	clear(raw[16:20])
	switch {
	case string(h.Signature[:]) != "EFI PART", h.HeaderBytes != gptHeaderBytes, crc32.ChecksumIEEE(raw) != crc:
		return nil, errors.New("partition table: damaged header")
	case h.Entries > 128, int(h.EntryBytes) != binary.Size(partition{}):
		return nil, fmt.Errorf("partition table: %d entries of %d bytes", h.Entries, h.EntryBytes)
	}
	table := make([]byte, h.Entries*h.EntryBytes)
	if _, err := disk.ReadAt(table, int64(h.EntriesSector)*SectorBytes); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(table) != h.AllCRC {
		return nil, errors.New("partition table: damaged entries")
	}
	partitions := make([]partition, h.Entries)
	_, err := binary.Decode(table, binary.LittleEndian, partitions)
	return partitions, err
}

// find returns the only partition of a type.
func find(partitions []partition, of [16]byte) (partition, error) {
	var found []partition
	for _, p := range partitions {
		if p.Type == of {
			found = append(found, p)
		}
	}
	if len(found) != 1 || found[0].LastSector < found[0].FirstSector {
		return partition{}, fmt.Errorf("partition table: %d partitions of type %x", len(found), of)
	}
	return found[0], nil
}

// ESP is the state's EFI system partition.
func (d *Disk) ESP() (*io.SectionReader, error) {
	partitions, err := readGPT(d)
	if err != nil {
		return nil, err
	}
	esp, err := find(partitions, typeESP)
	if err != nil {
		return nil, err
	}
	return d.Part(esp.offset(), esp.bytes()), nil
}
