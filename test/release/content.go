// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// fileBytes is the size of one generated file, large enough that a release of
// several GiB has a few thousand.
const fileBytes = 1 << 20

// generateTree makes a folder with an os-release file and o.SizeBytes of
// random bytes: nothing in them shrinks, and mksquashfs finds no holes.
func generateTree(dir string, o Options) error {
	library := filepath.Join(dir, "usr", "lib")
	if err := os.MkdirAll(library, 0o755); err != nil {
		return err
	}
	if err := writeShared(library, o); err != nil {
		return err
	}
	source := random(o, "content")
	for n := int64(0); n*fileBytes < o.SizeBytes; n++ {
		size := min(fileBytes, o.SizeBytes-n*fileBytes)
		if err := writeFile(filepath.Join(library, fmt.Sprintf("data-%05d", n)), io.LimitReader(source, size)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(library, "os-release"), osRelease(o, o.Product), 0o644); err != nil {
		return err
	}
	return setTimes(dir)
}

// writeShared writes what all versions of a product have.
func writeShared(dir string, o Options) error {
	if o.SharedBytes == 0 {
		return nil
	}
	half := o.SharedBytes / 2
	noise := io.LimitReader(random(Options{Product: o.Product}, "shared"), half)
	text := io.LimitReader(endlessText{}, o.SharedBytes-half)
	return errors.Join(writeFile(filepath.Join(dir, "shared"), noise), writeFile(filepath.Join(dir, "text"), text))
}

// endlessText shrinks well.
type endlessText struct{}

func (endlessText) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "what all versions of a system have, "[i%36]
	}
	return len(p), nil
}

// random returns bytes that depend on product, version and purpose alone.
func random(o Options, purpose string) io.Reader {
	return rand.NewChaCha8(sha256.Sum256([]byte(o.Product + "\x00" + o.Version + "\x00" + purpose)))
}

func writeFile(path string, content io.Reader) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// setTimes gives all below dir the same time, or two builds would differ.
func setTimes(dir string) error {
	epoch := time.Unix(0, 0)
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, epoch, epoch)
	})
}
