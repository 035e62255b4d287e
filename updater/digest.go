// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"io"

	"github.com/clipos/updater/updater/internal/cache"
	"github.com/clipos/updater/updater/internal/minisig"
)

const (
	digestChunkBytes = 256 << 10
	// digestChunks is how far hashing may fall behind the network.
	digestChunks = 8
)

// digest is a cache file that is hashed while it is written, on another
// processor than the one that decrypts. It implements fetch.Partial.
type digest struct {
	*cache.File
	verifier *minisig.Verifier
	// resumed is true once bytes of two downloads may be in the file.
	resumed bool
	// work has the chunks to be hashed, in order; free those that are done.
	work, free chan []byte
	ended      chan struct{}
}

func newDigest(f *cache.File, v *minisig.Verifier) *digest {
	d := &digest{
		File: f, verifier: v,
		work: make(chan []byte, digestChunks), free: make(chan []byte, digestChunks),
		ended: make(chan struct{}),
	}
	for range digestChunks {
		d.free <- make([]byte, digestChunkBytes)
	}
	go d.run()
	return d
}

func (d *digest) run() {
	defer close(d.ended)
	for chunk := range d.work {
		d.verifier.Write(chunk) //nolint:errcheck // a hash does not fail
		d.free <- chunk[:cap(chunk)]
	}
}

// settle waits until everything written is hashed: then all chunks are free.
func (d *digest) settle() {
	var all [digestChunks][]byte
	for i := range all {
		all[i] = <-d.free
	}
	for _, chunk := range all {
		d.free <- chunk
	}
}

// Close ends hashing and keeps the file for a later run.
func (d *digest) Close() error {
	close(d.work)
	<-d.ended
	return d.File.Close()
}

// Begin implements fetch.Partial.
func (d *digest) Begin(validator string, keep bool) error {
	d.settle()
	if !keep {
		d.verifier.Reset()
	}
	d.resumed = keep && (d.resumed || d.Len() > 0)
	return d.File.Begin(validator, keep)
}

// Write appends to the file and hands the bytes on to be hashed.
func (d *digest) Write(p []byte) (int, error) {
	n, err := d.File.Write(p)
	for rest := p[:n]; len(rest) > 0; {
		chunk := <-d.free
		size := copy(chunk, rest)
		d.work <- chunk[:size]
		rest = rest[size:]
	}
	return n, err
}

// catchUp hashes what an earlier run left in the file.
func (d *digest) catchUp(ctx context.Context, progress func(done, total int64)) error {
	d.settle()
	d.verifier.Reset()
	d.resumed = true
	r := io.NewSectionReader(d.File, 0, d.Len())
	buf := make([]byte, digestChunkBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		d.verifier.Write(buf[:n]) //nolint:errcheck // a hash does not fail
		progress(d.verifier.Len(), 0)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// verify settles and checks the signature over the whole file.
func (d *digest) verify() error {
	d.settle()
	return d.verifier.Verify()
}
