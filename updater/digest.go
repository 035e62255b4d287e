// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"io"

	"github.com/clipos/updater/updater/internal/cache"
	"github.com/clipos/updater/updater/internal/minisig"
)

const (
	// digestChunkBytes is written at once: all that is lost of a download when
	// the process is killed between two writes.
	digestChunkBytes = 64 << 10
	// digestChunks is how far hashing may fall behind the network.
	digestChunks = 32
)

// digest is a cache file that is hashed while it is written, on another
// processor than the one that decrypts. It implements fetch.Partial. What the
// network brings in small pieces goes to the file in whole chunks.
type digest struct {
	*cache.File
	verifier *minisig.Verifier
	// tags are of the same bytes as verifier: once it verified, they tell
	// whether bytes are those of the payload.
	tags *blockTags
	// current is the chunk being filled, nil for none.
	current []byte
	// receivedBytes were written, whether or not they are still there.
	receivedBytes int64
	// resumed is true once bytes of two downloads may be in the file.
	resumed bool
	// work has the chunks to be hashed, in order; free those that are done.
	work, free chan []byte
	ended      chan struct{}
}

func newDigest(f *cache.File, v *minisig.Verifier) *digest {
	d := &digest{
		File: f, verifier: v, tags: newBlockTags(),
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
		d.take(chunk)
		d.free <- chunk[:cap(chunk)]
	}
}

// take hashes the next bytes.
func (d *digest) take(p []byte) {
	d.verifier.Write(p) //nolint:errcheck // a hash does not fail
	d.tags.Write(p)     //nolint:errcheck // nor does a tag
}

// forget makes the next byte the first.
func (d *digest) forget() {
	d.verifier.Reset()
	d.tags.Reset()
}

// Len implements fetch.Partial.
func (d *digest) Len() int64 { return d.File.Len() + int64(len(d.current)) }

// emit writes the current chunk to the file and hands it on to be hashed.
func (d *digest) emit() error {
	if d.current == nil {
		return nil
	}
	n, err := d.File.Write(d.current)
	d.work <- d.current[:n]
	d.current = nil
	return err
}

// settle waits until everything is in the file and hashed: then all chunks
// are free.
func (d *digest) settle() error {
	err := d.emit()
	var all [digestChunks][]byte
	for i := range all {
		all[i] = <-d.free
	}
	for _, chunk := range all {
		d.free <- chunk
	}
	return err
}

// Close ends hashing and keeps the file for a later run.
func (d *digest) Close() error {
	err := d.emit()
	close(d.work)
	<-d.ended
	return errors.Join(err, d.File.Close())
}

// Truncate forgets every byte.
func (d *digest) Truncate() error {
	return errors.Join(d.settle(), d.File.Truncate())
}

// Begin implements fetch.Partial.
func (d *digest) Begin(validator string, keep bool) error {
	if err := d.settle(); err != nil {
		return err
	}
	if !keep {
		d.forget()
	}
	d.resumed = keep && (d.resumed || d.Len() > 0)
	return d.File.Begin(validator, keep)
}

// Write appends to the file and hands the bytes on to be hashed.
func (d *digest) Write(p []byte) (int, error) {
	d.receivedBytes += int64(len(p))
	for rest := p; len(rest) > 0; {
		if d.current == nil {
			d.current = (<-d.free)[:0]
		}
		n := min(len(rest), cap(d.current)-len(d.current))
		d.current = append(d.current, rest[:n]...)
		rest = rest[n:]
		if len(d.current) < cap(d.current) {
			break
		}
		if err := d.emit(); err != nil {
			return len(p) - len(rest), err
		}
	}
	return len(p), nil
}

// catchUp hashes what an earlier run left in the file.
func (d *digest) catchUp(ctx context.Context, progress func(done, total int64)) error {
	if err := d.settle(); err != nil {
		return err
	}
	d.forget()
	d.resumed = true
	r := io.NewSectionReader(d.File, 0, d.Len())
	buf := make([]byte, digestChunkBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		d.take(buf[:n])
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
	if err := d.settle(); err != nil {
		return err
	}
	return d.verifier.Verify()
}
