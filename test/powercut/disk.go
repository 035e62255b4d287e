// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"os"
)

// Disk is what a disk holds after a power cut: what it held at the beginning,
// and over it the sectors that were written and survived.
type Disk struct {
	base io.ReaderAt
	// origin stands for the iteration that the state comes from.
	origin *Recording
	// durable is shared by all states of an epoch, kept is this state's own.
	// Both map the number of a sector to its content, which is the record's
	// own memory.
	durable, kept map[int64][]byte
	// touched counts, for each region of regionSectors, how often it was
	// written in the durable layer.
	touched map[int64]int
}

// regionSectors is how finely [Disk.identity] looks at the durable layer.
const regionSectors = 2048

// zeros is what a discarded sector reads as.
var zeros = make([]byte, SectorBytes)

// ReadAt implements [io.ReaderAt] for whole sectors and parts of them. What is
// behind the end of the base reads as zeros.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.base.ReadAt(p, off)
	if err != nil && err != io.EOF {
		return 0, err
	}
	clear(p[n:])
	for done := 0; done < len(p); {
		sector, skip := (off+int64(done))/SectorBytes, (off+int64(done))%SectorBytes
		length := min(SectorBytes-int(skip), len(p)-done)
		if content, written := d.sector(sector); written {
			copy(p[done:done+length], content[skip:])
		}
		done += length
	}
	return len(p), nil
}

func (d *Disk) sector(number int64) ([]byte, bool) {
	if content, written := d.kept[number]; written {
		return content, true
	}
	content, written := d.durable[number]
	return content, written
}

// Part is a part of the disk with offsets of its own.
func (d *Disk) Part(off, length int64) *io.SectionReader { return io.NewSectionReader(d, off, length) }

// identity differs between two states of one origin in which a part of the disk
// differs. It may differ otherwise too: it is for remembering verdicts.
func (d *Disk) identity(seed maphash.Seed, off, length int64) uint64 {
	first, last := off/SectorBytes, (off+length-1)/SectorBytes
	var sum uint64
	for region := first / regionSectors; region <= last/regionSectors; region++ {
		if times := d.touched[region]; times > 0 {
			sum += maphash.Comparable(seed, [2]int64{region, int64(times)})
		}
	}
	for number, content := range d.kept {
		if first <= number && number <= last {
			sum += maphash.Comparable(seed, place{number, &content[0]})
		}
	}
	return sum
}

// place tells which write a sector is from.
type place struct {
	number  int64
	content *byte
}

// write puts a request, or those sectors of it that keep says, into a layer.
func write(layer map[int64][]byte, r Request, keep func(int64) bool) {
	for i := range r.Sectors {
		if !keep(i) {
			continue
		}
		content := zeros
		if !r.Discard {
			content = r.Data[i*SectorBytes:][:SectorBytes]
		}
		layer[r.Sector+i] = content
	}
}

func all(int64) bool { return true }

// commit makes requests durable.
func (d *Disk) commit(requests []Request) {
	for _, r := range requests {
		write(d.durable, r, all)
		if r.Sectors == 0 {
			continue
		}
		for region := r.Sector / regionSectors; region <= (r.Sector+r.Sectors-1)/regionSectors; region++ {
			d.touched[region]++
		}
	}
}

// Clone is a state that outlives the iteration it comes from.
func (d *Disk) Clone() *Disk {
	c := *d
	c.durable, c.kept, c.touched = maps.Clone(d.durable), maps.Clone(d.kept), maps.Clone(d.touched)
	return &c
}

// WriteTo writes what differs from the base into a copy of it.
func (d *Disk) WriteTo(image string) error {
	f, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, layer := range []map[int64][]byte{d.durable, d.kept} {
		for number, content := range layer {
			if _, err := f.WriteAt(content, number*SectorBytes); err != nil {
				f.Close()
				return fmt.Errorf("sector %d: %w", number, err)
			}
		}
	}
	return f.Close()
}
