// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// SectorBytes is the unit that a drive writes whole or not at all.
const SectorBytes = 512

const (
	recordMagic   = 0x6a736677736872 // WRITE_LOG_MAGIC
	recordVersion = 1                // WRITE_LOG_VERSION

	flushFlag    = 1 << 0 // LOG_FLUSH_FLAG
	fuaFlag      = 1 << 1 // LOG_FUA_FLAG
	discardFlag  = 1 << 2 // LOG_DISCARD_FLAG
	markFlag     = 1 << 3 // LOG_MARK_FLAG
	metadataFlag = 1 << 4 // LOG_METADATA_FLAG
	knownFlags   = flushFlag | fuaFlag | discardFlag | markFlag | metadataFlag

	// maxSectors of SectorBytes in a request, 4 GiB, is more than any driver
	// sends at once, a discard included; there is no disk with maxSector.
	maxSectors = 1 << 23
	maxSector  = 1 << 40
)

// ErrBadRecord: the record is not one, or damaged.
var ErrBadRecord = errors.New("record of writes is damaged")

// Request is one request to a disk.
type Request struct {
	// Flush: all that had completed before is durable.
	Flush bool
	// FUA: this write is durable when it completes.
	FUA bool
	// Discard: there is no Data; what is there is not needed any more.
	Discard bool
	// Sector and Sectors are the place, in units of SectorBytes.
	Sector, Sectors int64
	Data            []byte
}

// Read reads a record to its end: until the input ends, or nothing was written
// behind. It may be read while it is written. A request cut off by the end of
// the input is left out.
func Read(r io.Reader) ([]Request, error) {
	var super struct {
		Magic, Version, Entries uint64
		SectorBytes             uint32
	}
	if err := binary.Read(r, binary.LittleEndian, &super); err != nil {
		return nil, fmt.Errorf("%w: superblock: %w", ErrBadRecord, err)
	}
	switch {
	case super.Magic != recordMagic, super.Version != recordVersion:
		return nil, fmt.Errorf("%w: magic %#x, version %d", ErrBadRecord, super.Magic, super.Version)
	case super.SectorBytes%SectorBytes != 0, super.SectorBytes == 0, super.SectorBytes > 1<<20:
		return nil, fmt.Errorf("%w: sectors of %d bytes", ErrBadRecord, super.SectorBytes)
	}
	rest := int64(super.SectorBytes) - int64(binary.Size(super))
	if _, err := io.CopyN(io.Discard, r, rest); err != nil {
		return nil, fmt.Errorf("%w: superblock: %w", ErrBadRecord, err)
	}
	reader := recordReader{r, int64(super.SectorBytes)}
	var requests []Request
	for {
		request, err := reader.next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return requests, nil
		case err != nil:
			return nil, fmt.Errorf("%w: entry %d: %w", ErrBadRecord, len(requests), err)
		}
		requests = append(requests, request)
	}
}

type recordReader struct {
	io.Reader
	sectorBytes int64
}

// next returns io.EOF where nothing was written: no request of a disk is all
// zeros, for only a flush has no length.
func (r recordReader) next() (Request, error) {
	header := make([]byte, r.sectorBytes)
	if _, err := io.ReadFull(r, header); err != nil {
		return Request{}, err
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(header[8*i:]) }
	sector, sectors, flags := number(0), number(1), number(2)
	scale := uint64(r.sectorBytes) / SectorBytes
	switch {
	case sector|sectors|flags == 0:
		return Request{}, io.EOF
	case flags&^knownFlags != 0:
		return Request{}, fmt.Errorf("flags %#x", flags)
	case sector > maxSector, sectors > maxSector, sectors*scale > maxSectors:
		return Request{}, fmt.Errorf("%d sectors at %d", sectors, sector)
	}
	request := Request{
		Flush: flags&flushFlag != 0, FUA: flags&fuaFlag != 0, Discard: flags&discardFlag != 0,
		Sector: int64(sector * scale), Sectors: int64(sectors * scale),
	}
	switch {
	case flags&markFlag != 0: // its text follows in the entry's own sector
		return Request{}, nil
	case request.Discard || sectors == 0:
		return request, nil
	}
	data, err := io.ReadAll(io.LimitReader(r, request.Sectors*SectorBytes))
	if err == nil && int64(len(data)) < request.Sectors*SectorBytes {
		err = io.ErrUnexpectedEOF
	}
	request.Data = data
	return request, err
}
