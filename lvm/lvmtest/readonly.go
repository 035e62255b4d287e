// SPDX-License-Identifier: LGPL-2.1-or-later

package lvmtest

import (
	"bytes"
	"errors"
	"io"
)

func (s *suite) testReadOnly() {
	s.create("one")
	content := s.fill("one")
	owner := s.open("one")
	for range 2 { // two at once
		r, err := s.OpenReadOnly(s.Context(), "one")
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { _ = r.Close() })
		if r.SizeBytes() != int64(len(content)) {
			s.Errorf("%d bytes, want %d", r.SizeBytes(), len(content))
		}
		p := make([]byte, len(content))
		if n, err := r.ReadAt(p[7:], 7); n != len(p)-7 || err != nil || !bytes.Equal(p[7:], content[7:]) {
			s.Errorf("ReadAt: %d bytes, %v", n, err)
		}
		if n, err := r.ReadAt(p, r.SizeBytes()-1); n != 1 || !errors.Is(err, io.EOF) {
			s.Errorf("across the end: %d, %v", n, err)
		}
		if w, ok := r.(io.WriterAt); ok {
			if _, err := w.WriteAt([]byte("x"), 0); err == nil {
				s.Error("WriteAt: no error")
			}
		}
	}
	s.close(owner)
}
