// SPDX-License-Identifier: LGPL-2.1-or-later

// Package patch rebuilds a core image from a patch and the core image that is
// running, and unpacks a compressed core image.
//
// # Who takes part
//
// The publishing tool makes, besides the plain core image, two files that
// spare machines from fetching it whole:
//
//	dist/<new>/<product>-core.from-<old>.patch    and its .sig
//	dist/<new>/<product>-core.zst                 and its .sig
//
// The machine fetches the patch from the version it runs, checks the file's
// signature, opens it with [Open], and calls [Patch.Rebuild] with the running
// core volume. For the .zst it calls [Decompress].
//
// # What is trusted
//
// The file, as far as its signature goes, and nothing that comes out of it:
// what Rebuild and Decompress hand to write is the core image only if its
// BLAKE2b-512 verifies against the plain image's own signature, which the
// caller checks. The digest of the result in the header only saves the work
// when it cannot fit. Whatever a file holds, it costs no more memory than
// stated at Rebuild and Decompress, never more output than it declares, and
// nothing outside the base and the file is read.
//
// # The file
//
// Integers are little endian and unsigned. The file is the header, then the
// zstd frames of all pieces in their order, and nothing behind.
//
//	bytes  what
//	8      magic "UPDPATCH"
//	4      format version, 1
//	4      length of the whole header, magic included, at most 4 MiB
//	1+n    version of the base: its length (1 to 64), then [0-9A-Za-z.+-]
//	1+n    version of the result, likewise
//	8      size of the base in bytes, from 1
//	64     BLAKE2b-512 of the base
//	8      size of the result in bytes, from 1
//	64     BLAKE2b-512 of the result
//	1      1 if there is a dm-verity area, otherwise 0
//	       if there is one:
//	8        its offset in the result, a multiple of 512
//	512      the superblock, as it is in the result
//	1        parity bytes of a codeword of the error correction behind the
//	         hash tree, 2 to 24; 0 if there is none
//	4      number of pieces, from 1 to 65536
//	       for each piece:
//	4        its length in the result, from 1 to 16 MiB
//	4        length of its frame, from 1 to length + length/256 + 64, as
//	         ZSTD_compressBound(3) has it
//	1        number of parts of the base it refers to
//	         for each part:
//	8          its offset in the base
//	4          its length, from 1
//
// A part ends within the base; the parts of a piece have no more than 64 MiB
// together, may be in any order and may overlap. Lengths of header and frames together are
// the file's size; lengths of pieces and of the dm-verity area together are
// the size of the result. Anything else is refused, a header with bytes left
// over too.
//
// # Pieces
//
// The pieces follow each other in the result. Each has one zstd frame (RFC
// 8878) whose raw content dictionary ("prefix", zstd --patch-from) is its
// window: the parts of the base, one behind the other. Usually that is one
// part around the same offset; where content moved, it is where it came from. A
// frame declares its content size, which is the piece's length, has
// a content checksum, no dictionary identifier, and a window of no more than
// 128 MiB, which is no memory: the decoder has base and piece whole anyway.
// A checksum that does not fit tells that the base is another one.
//
// # The dm-verity area
//
// A hash tree and its error correction change everywhere when a byte of the
// image does, and cannot be compressed. So they are not in the patch but
// computed:
//
//	offset  superblock, 512 bytes
//	        zeros to the next multiple of the hash block size
//	        hash tree as veritysetup(8) makes it, root first
//	        error correction, if there is any
//
// The superblock has hash type 1 and SHA-256 or SHA-512. The data it covers
// begins the result and ends at or before the offset. One piece begins where
// the area ends, unless the result does, and one ends at the offset; pieces
// before the offset, but the last, have lengths that are multiples of the
// data block size. The area takes no more than 256 MiB: it is kept in memory
// while the data passes.
//
// The error correction is that of dm-verity as veritysetup --fec-device makes
// it: Reed-Solomon over GF(256) with the polynomial 0x11d, generator roots 2^0
// to 2^(p-1), p parity bytes and 255-p others. It covers the data blocks and,
// behind them, the tree, in B blocks, with data and hash blocks of one size.
// With R = B/(255-p) rounded up, codeword j of round r has byte j of the
// blocks r, r+R, r+2R, … (zeros behind the last), and its parity stands at
// (r * block size + j) * p in the area. A result may have another layout;
// then its tree is in pieces like everything else.
package patch
