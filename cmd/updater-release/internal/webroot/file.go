// SPDX-License-Identifier: LGPL-2.1-or-later

package webroot

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Open opens a regular file to read at any place; closed when done is called.
func Open(path string) (file *io.SectionReader, done func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return io.NewSectionReader(f, 0, info.Size()), func() { f.Close() }, nil //nolint:errcheck // nothing was written
}

// SizeBytes is the size of a file, 0 when there is none.
func SizeBytes(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
