// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import "context"

// BufferedDirectory is a Directory as it is on a file system that has no
// direct I/O.
type BufferedDirectory struct{ *Directory }

// Open opens a volume without a second, direct descriptor.
func (b BufferedDirectory) Open(ctx context.Context, name string) (Device, error) {
	v, err := b.Directory.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	d := v.(*device)
	err = closeAll(d.direct)
	d.direct = nil
	return d, err
}

// IsAligned tells whether direct I/O can use p.
func IsAligned(p []byte) bool { return isAligned(p, 0) }

// Change runs a command that writes metadata, as the methods of Group do, with
// another function to be called before each of its writes.
func (g *Group) Change(ctx context.Context, flush func() error, args ...string) error {
	return g.finish(ctx, flush, args...)
}

// RunOrdered runs a program and calls flush before each of its writes.
var RunOrdered = runOrdered
