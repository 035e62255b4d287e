// SPDX-License-Identifier: LGPL-2.1-or-later

// Package powercut rebuilds what a disk may hold after the power was cut, from a
// record of everything that was written to it, and judges each such state
// without booting it.
//
// # Who takes part
//
//	QEMU's filter blklogwrites   records writes, discards and flushes of a machine's disk
//	Read                         reads the record
//	States                       rebuilds states: durable layer and what of the cache survived
//	Machine.Judge                says which version a state boots, and what is wrong with it
//
// # The record
//
// The format is that of the kernel's dm-log-writes (struct log_write_super and
// log_write_entry in drivers/md/dm-log-writes.c), which QEMU's
// block/blklogwrites.c writes too. All numbers are little-endian, all units
// sectors of the size that the superblock names:
//
//	superblock  u64 magic 0x6a736677736872, u64 version 1, u64 entries, u32 sector size; padded to a sector
//	entry       u64 sector, u64 sectors, u64 flags, u64 length of a mark, the mark; padded to a sector
//	            the data, unless the entry is a discard
//	flags       1 flush, 2 FUA (forced unit access), 4 discard, 8 mark, 16 metadata (ignored)
//
// QEMU logs an entry when the request has completed, so a write that stands
// before a flush had completed before the flush had. It counts the entries in
// the superblock at each flush only, writes no FUA (the guest sends a flush
// instead) and no marks, and up to version 8.2 damages the record when zeros are
// written without data while other requests run: give its disk write-zeroes=off.
//
// # The model of a drive
//
// A flush makes durable what had completed before it; a write with FUA makes
// itself durable and nothing else. Of all other writes since the last flush,
// an epoch, any may be lost in any combination. The drive writes a sector whole
// or not at all, and of a request any sectors. Of two writes to one sector the
// later wins when both survive. A discard reads as zeros afterwards or, where it
// is lost, as before.
//
// # What is not in it
//
// A drive that loses what it has flushed, damages sectors that it did not write,
// or reads differently each time. A write of one program that was under way
// while another program's flush ended counts as durable; a machine's update is
// one program at a time.
package powercut
