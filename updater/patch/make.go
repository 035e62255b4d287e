// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"context"
	"io"
)

// AppendTo appends the header as it is in a file to b, for whoever makes a
// patch. A header that Open would refuse is an error that wraps ErrMalformed.
func (h Header) AppendTo(b []byte) ([]byte, error) {
	panic("follows")
}

// FindVerity looks for a dm-verity area that Rebuild would compute to the very
// bytes it has in the image, and returns it with its length in bytes; nil
// when there is none. It reads the image once.
func FindVerity(ctx context.Context, image io.ReaderAt, sizeBytes int64) (*Verity, int64, error) {
	panic("follows")
}
