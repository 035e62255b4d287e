// SPDX-License-Identifier: LGPL-2.1-or-later

// Package efi keeps a product's boot entries in the EFI system partition:
// one folder of unified kernel images, of which systemd-boot starts one.
//
// # Who takes part
//
// systemd-boot reads the folder EFI/Linux, sorts the images by the
// os-release(5) inside them ([Sort]) and starts the first, or the one that the
// variable LoaderEntryDefault names ([Partition.SetDefault]). While an entry
// counts its boots, systemd-boot renames it before every start, and
// systemd-bless-boot.service(8) once it is good. Other products, other
// systems and the administrator keep their own files in the same folder.
//
// # Names
//
//	<os_name>-<version>.efi                 an entry
//	<os_name>-<version>+<left>[-<done>].efi the same while its boots are counted
//	<either>.new                            being written or removed; not seen by systemd-boot
//
// Nothing else is ever opened for writing, renamed or removed: not what
// differs in case only, not a folder or a link of such a name.
//
// # Order
//
// [Partition.Remove] makes an entry unbootable, by its temporary name first, and
// returns when that is durable. Then its system may be overwritten. [Partition.Stage] writes the
// new image under its temporary name and hands back what the disk holds, for
// the caller to verify: systemd-boot hangs on an image that does not load, so
// nothing unverified may carry a final name. [Partition.Publish] renames, never
// over an existing file, and returns when that is durable. Cut at any instant
// there is the old state, the new one, or a temporary file, which
// [Partition.Survey] lists and the next Stage replaces.
//
// # Threat
//
// FAT has no journal, no owners and no difference between capital and small
// letters; what lies in the folder may be cut short or made by somebody else.
// So every name, header and text is checked and bounded before it is used,
// and everything goes through one open folder and follows no link in it. The
// package knows no key: whether an image is genuine its caller decides.
package efi
