// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
)

// record writes a record the way QEMU does.
func record(sectorBytes int, requests ...Request) []byte {
	var b bytes.Buffer
	put := func(words ...uint64) {
		at := b.Len()
		for _, w := range words {
			_ = binary.Write(&b, binary.LittleEndian, w)
		}
		b.Write(make([]byte, sectorBytes-(b.Len()-at)))
	}
	put(recordMagic, recordVersion, 0, uint64(sectorBytes))
	scale := int64(sectorBytes / SectorBytes)
	for _, r := range requests {
		var flags uint64
		for flag, set := range map[uint64]bool{flushFlag: r.Flush, fuaFlag: r.FUA, discardFlag: r.Discard} {
			if set {
				flags |= flag
			}
		}
		put(uint64(r.Sector/scale), uint64(r.Sectors/scale), flags, 0)
		b.Write(r.Data)
	}
	return b.Bytes()
}

// fill is a write of sectors that all hold one letter.
func fill(sector, sectors int64, letter byte) Request {
	return Request{Sector: sector, Sectors: sectors, Data: bytes.Repeat([]byte{letter}, int(sectors*SectorBytes))}
}

func TestRead(t *testing.T) {
	for _, sectorBytes := range []int{512, 4096} {
		want := []Request{
			fill(8, 16, 'a'),
			{Flush: true},
			{Discard: true, Sector: 800, Sectors: 80000},
			{FUA: true, Sector: 0, Sectors: 8, Data: bytes.Repeat([]byte{'b'}, 4096)},
		}
		data := record(sectorBytes, want...)
		for name, tail := range map[string][]byte{"ends": nil, "nothing behind": make([]byte, 3*sectorBytes), "cut off": data[sectorBytes : 2*sectorBytes]} {
			got, err := Read(bytes.NewReader(append(bytes.Clone(data), tail...)))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("sectors of %d bytes, %s: %d requests, %v", sectorBytes, name, len(got), err)
			}
		}
	}
}

func TestReadDamaged(t *testing.T) {
	good := record(512, fill(8, 1, 'a'))
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"magic":         func(b []byte) []byte { b[0]++; return b },
		"version":       func(b []byte) []byte { b[8]++; return b },
		"sector size":   func(b []byte) []byte { b[24]++; return b },
		"no sectors":    func(b []byte) []byte { b[25] = 0; return b },
		"flags":         func(b []byte) []byte { b[512+16] = 0x20; return b },
		"too large":     func(b []byte) []byte { b[512+12] = 1; return b },
		"beyond disks":  func(b []byte) []byte { b[512+7] = 1; return b },
		"no superblock": func(b []byte) []byte { return b[:100] },
	} {
		if _, err := Read(bytes.NewReader(damage(bytes.Clone(good)))); !errors.Is(err, ErrBadRecord) {
			t.Errorf("%s: %v, want %v", name, err, ErrBadRecord)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(record(512, fill(8, 2, 'a'), Request{Flush: true}, Request{Discard: true, Sector: 1, Sectors: 5}))
	f.Add(record(4096, fill(8, 8, 'a')))
	f.Fuzz(func(t *testing.T, data []byte) {
		requests, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, r := range requests {
			if r.Data != nil && int64(len(r.Data)) != r.Sectors*SectorBytes {
				t.Fatalf("%d bytes for %d sectors", len(r.Data), r.Sectors)
			}
		}
	})
}
