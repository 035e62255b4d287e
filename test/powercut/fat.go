// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// fat is a FAT32 file system as a boot loader reads it: Microsoft's "FAT32
// File System Specification", 1.03. Only the first table counts.
type fat struct {
	io.ReaderAt
	clusterBytes, dataOffset int64
	root                     uint32
	table                    []uint32
}

// fatFile is an entry of a folder.
type fatFile struct {
	name      string
	folder    bool
	first     uint32
	sizeBytes int64
}

var errFAT = errors.New("file system of the ESP is damaged")

const (
	endOfChain      = 0x0ffffff8 // and what is above
	dirEntryBytes   = 32
	longNameBits    = 0x0f
	volumeLabelBit  = 0x08
	folderBit       = 0x10
	maxFolderBytes  = 65536 * dirEntryBytes
	longNameLetters = 13
)

func openFAT(r io.ReaderAt) (*fat, error) {
	boot := make([]byte, SectorBytes)
	if _, err := r.ReadAt(boot, 0); err != nil {
		return nil, err
	}
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(boot[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(boot[at:])) }
	sectorBytes, perCluster := u16(11), int64(boot[13]) // BPB_BytsPerSec, BPB_SecPerClus
	reserved, tables, tableSectors := u16(14), int64(boot[16]), u32(36)
	if u16(510) != 0xaa55 || sectorBytes != SectorBytes || perCluster == 0 || tables == 0 || u16(22) != 0 || tableSectors > 1<<16 {
		return nil, fmt.Errorf("%w: boot sector", errFAT)
	}
	f := &fat{
		ReaderAt: r, clusterBytes: perCluster * sectorBytes,
		dataOffset: (reserved + tables*tableSectors) * sectorBytes, root: uint32(u32(44)),
	}
	f.table = make([]uint32, tableSectors*sectorBytes/4)
	raw := make([]byte, len(f.table)*4)
	if _, err := r.ReadAt(raw, reserved*sectorBytes); err != nil {
		return nil, err
	}
	_, err := binary.Decode(raw, binary.LittleEndian, f.table)
	return f, err
}

// chain lists the clusters of a file, as many as lengthBytes take, or all when
// it is negative.
func (f *fat) chain(first uint32, lengthBytes int64) ([]uint32, error) {
	if lengthBytes == 0 {
		return nil, nil
	}
	var clusters []uint32
	for cluster := first; ; cluster = f.table[cluster] & 0x0fffffff {
		if lengthBytes >= 0 && int64(len(clusters))*f.clusterBytes >= lengthBytes {
			return clusters, nil
		}
		if cluster >= endOfChain && lengthBytes < 0 {
			return clusters, nil
		}
		if cluster < 2 || int64(cluster) >= int64(len(f.table)) || len(clusters) > len(f.table) {
			return nil, fmt.Errorf("%w: chain from cluster %d leads to %d", errFAT, first, cluster)
		}
		clusters = append(clusters, cluster)
	}
}

// content reads clusters up to a length, neighbours at once.
func (f *fat) content(clusters []uint32, lengthBytes int64) ([]byte, error) {
	content := make([]byte, int64(len(clusters))*f.clusterBytes)
	for at := 0; at < len(clusters); {
		end := at + 1
		for end < len(clusters) && clusters[end] == clusters[end-1]+1 {
			end++
		}
		part := content[int64(at)*f.clusterBytes : int64(end)*f.clusterBytes]
		if _, err := f.ReadAt(part, f.dataOffset+int64(clusters[at]-2)*f.clusterBytes); err != nil {
			return nil, err
		}
		at = end
	}
	if lengthBytes > int64(len(content)) {
		return nil, fmt.Errorf("%w: shorter than its size", errFAT)
	}
	return content[:lengthBytes], nil
}

// read returns the content of a file.
func (f *fat) read(file fatFile) ([]byte, error) {
	clusters, err := f.chain(file.first, file.sizeBytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.name, err)
	}
	return f.content(clusters, file.sizeBytes)
}

// folder lists a folder by its path.
func (f *fat) folder(path ...string) ([]fatFile, error) {
	first := f.root
	for _, name := range path {
		files, err := f.list(first)
		if err != nil {
			return nil, err
		}
		inner, found := lookUp(files, name)
		if !found || !inner.folder {
			return nil, fmt.Errorf("%w: no folder %s", errFAT, name)
		}
		first = inner.first
	}
	return f.list(first)
}

func lookUp(files []fatFile, name string) (fatFile, bool) {
	for _, file := range files {
		if strings.EqualFold(file.name, name) {
			return file, true
		}
	}
	return fatFile{}, false
}

func (f *fat) list(first uint32) ([]fatFile, error) {
	clusters, err := f.chain(first, -1)
	if err != nil {
		return nil, err
	}
	if int64(len(clusters))*f.clusterBytes > maxFolderBytes {
		return nil, fmt.Errorf("%w: a folder of %d clusters", errFAT, len(clusters))
	}
	content, err := f.content(clusters, int64(len(clusters))*f.clusterBytes)
	if err != nil {
		return nil, err
	}
	return parseFolder(content), nil
}

// parseFolder skips what a reader skips: removed entries, labels, and long names
// that do not belong to the short name behind them.
func parseFolder(content []byte) []fatFile {
	var files []fatFile
	var long longName
	for ; len(content) >= dirEntryBytes && content[0] != 0; content = content[dirEntryBytes:] {
		entry := content[:dirEntryBytes]
		attributes := entry[11]
		switch {
		case entry[0] == 0xe5:
			long = longName{}
		case attributes&0x3f == longNameBits:
			long.add(entry)
		case attributes&volumeLabelBit != 0:
			long = longName{}
		default:
			high, low := binary.LittleEndian.Uint16(entry[20:]), binary.LittleEndian.Uint16(entry[26:])
			name := long.text(entry[:11])
			if name == "" {
				name = shortName(entry)
			}
			files = append(files, fatFile{
				name: name, folder: attributes&folderBit != 0,
				first: uint32(high)<<16 | uint32(low), sizeBytes: int64(binary.LittleEndian.Uint32(entry[28:])),
			})
			long = longName{}
		}
	}
	return files
}

// longName gathers the parts of a long name, which come last part first.
type longName struct {
	letters  []uint16
	next     byte // the number of the part that must come next
	checksum byte
}

func (l *longName) add(entry []byte) {
	number := entry[0] & 0x3f
	if entry[0]&0x40 != 0 {
		*l = longName{next: number, checksum: entry[13]}
	}
	if number == 0 || number != l.next || entry[13] != l.checksum {
		*l = longName{}
		return
	}
	var part [longNameLetters]uint16
	for i := range part {
		at := 1 + 2*i
		switch {
		case i >= 11:
			at = 28 + 2*(i-11)
		case i >= 5:
			at = 14 + 2*(i-5)
		}
		part[i] = binary.LittleEndian.Uint16(entry[at:])
	}
	l.letters = append(part[:], l.letters...)
	l.next--
	if l.next == 0 {
		l.next = 0xff // complete
	}
}

// text is "" unless the name is complete and belongs to this short name.
func (l *longName) text(short []byte) string {
	var sum byte
	for _, c := range short {
		sum = sum>>1 | sum<<7
		sum += c
	}
	if l.next != 0xff || sum != l.checksum {
		return ""
	}
	letters := l.letters
	for i, letter := range letters {
		if letter == 0 {
			letters = letters[:i]
			break
		}
	}
	return string(utf16.Decode(letters))
}

// shortName honours the bits with which Windows and Linux keep a name of small
// letters in a short entry.
func shortName(entry []byte) string {
	stem, extension := strings.TrimRight(string(entry[:8]), " "), strings.TrimRight(string(entry[8:11]), " ")
	if entry[12]&0x08 != 0 {
		stem = strings.ToLower(stem)
	}
	if entry[12]&0x10 != 0 {
		extension = strings.ToLower(extension)
	}
	if extension == "" {
		return stem
	}
	return stem + "." + extension
}
