// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"fmt"
	"io"
)

// Group is a volume group on a single physical volume, as LVM would see it.
type Group struct {
	Name     string
	Sequence int64
	// Volumes maps a name to where the volume's bytes are on the physical volume.
	Volumes map[string][]Extent
	// Whole is how many copies of the metadata are whole.
	Whole int
}

// Extent is a part of a volume, in bytes of the physical volume.
type Extent struct{ Offset, Bytes int64 }

// ReadGroup reads the group of a physical volume as LVM does: of several copies
// of its metadata the newest that is whole. ErrNoGroup when none is.
func ReadGroup(pv io.ReaderAt) (Group, error) {
	texts, err := readMetadata(pv)
	if err != nil {
		return Group{}, err
	}
	var newest Group
	for _, text := range texts {
		g, err := parseGroup(string(text))
		if err != nil {
			return Group{}, fmt.Errorf("%w: %w", ErrNoGroup, err)
		}
		if newest.Name == "" || g.Sequence > newest.Sequence {
			newest = g
		}
	}
	newest.Whole = len(texts)
	return newest, nil
}

func parseGroup(text string) (Group, error) {
	root, err := parseText(text)
	if err != nil {
		return Group{}, err
	}
	for name := range root {
		s := root.inner(name)
		if s == nil {
			continue // what and when, about the text itself
		}
		g := Group{Name: name, Sequence: s.number("seqno"), Volumes: map[string][]Extent{}}
		physicals := s.inner("physical_volumes")
		if len(physicals) != 1 {
			return Group{}, fmt.Errorf("group %s: %d physical volumes", name, len(physicals))
		}
		for _, only := range physicals {
			physical, _ := only.(section)
			start := physical.number("pe_start") * SectorBytes
			for volume := range s.inner("logical_volumes") {
				extents, err := parseVolume(s.inner("logical_volumes").inner(volume), start, s.number("extent_size")*SectorBytes)
				if err != nil {
					return Group{}, fmt.Errorf("volume %s: %w", volume, err)
				}
				g.Volumes[volume] = extents
			}
		}
		return g, nil
	}
	return Group{}, fmt.Errorf("no group in the metadata")
}

// parseVolume knows linear volumes, the only ones that a system image has.
func parseVolume(s section, start, extentBytes int64) ([]Extent, error) {
	var extents []Extent
	next := int64(0)
	for i := range s.number("segment_count") {
		segment := s.inner(fmt.Sprintf("segment%d", i+1))
		stripes, _ := segment["stripes"].([]any)
		if segment["type"] != "striped" || segment.number("stripe_count") != 1 || len(stripes) != 2 || segment.number("start_extent") != next {
			return nil, fmt.Errorf("segment %d is not linear", i+1)
		}
		first, isNumber := stripes[1].(int64)
		if !isNumber {
			return nil, fmt.Errorf("segment %d: no place", i+1)
		}
		count := segment.number("extent_count")
		extents = append(extents, Extent{start + first*extentBytes, count * extentBytes})
		next += count
	}
	return extents, nil
}
