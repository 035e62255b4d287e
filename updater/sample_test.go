// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/clipos/updater/updater/internal/verity"
)

// Whatever the pieces in which an image passes, what is kept is what was there,
// and it is what checkContent reads.
func TestSample(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	image := make([]byte, 5<<20)
	for i := range image {
		image[i] = byte(r.Uint32())
	}
	for name, c := range map[string]struct {
		sizeBytes, tree int
		err             error
	}{
		"tree in the middle":          {len(image), 3 << 20, nil},
		"tree at the end":             {len(image), len(image) - 4096, nil},
		"tree in the head":            {len(image), 100_000, nil},
		"tree right behind the head":  {len(image), verity.HeadBytes, nil},
		"tree across the head's end":  {len(image), verity.HeadBytes - 512, nil},
		"tree not on a block":         {len(image), 3<<20 + 512, nil},
		"tree behind the end":         {len(image), len(image) + 4096, nil},
		"small":                       {1000, 512, nil},
		"as large as the head":        {verity.HeadBytes, 4096, nil},
		"no file system to be found":  {len(image), 0, errors.New("none")},
		"offset that is no offset":    {len(image), -512, nil},
		"head and a byte, no tree":    {verity.HeadBytes + 1, 0, errors.New("none")},
		"a byte":                      {1, 0, nil},
		"nothing":                     {0, 0, nil},
		"tree ends beyond the image":  {4 << 20, 4<<20 - 1024, nil},
		"tree begins one block early": {len(image), 3<<20 - sampleBlockBytes, nil},
	} {
		t.Run(name, func(t *testing.T) {
			image := image[:c.sizeBytes]
			s := newSample(func(head io.ReaderAt) (int64, error) {
				begin := make([]byte, verity.HeadBytes)
				if n, err := head.ReadAt(begin, 0); n != len(begin) || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(begin, image[:n]) {
					t.Errorf("the head is not there: %d, %v", n, err)
				}
				return int64(c.tree), c.err
			})
			for rest := image; len(rest) > 0; {
				n := min(len(rest), r.IntN(300_000))
				s.Write(rest[:n])
				rest = rest[n:]
			}
			kepts := map[int]int{0: verity.HeadBytes}
			if c.err == nil && c.tree > 0 {
				kepts[c.tree] = verity.TopBytes
			}
			for begin, length := range kepts {
				want := image[min(begin, len(image)):min(begin+length, len(image))]
				got := make([]byte, length)
				n, err := s.ReadAt(got, int64(begin))
				if !bytes.Equal(got[:n], want) || (n < length) != errors.Is(err, io.EOF) {
					t.Errorf("%d bytes at %d: %d, %v", length, begin, n, err)
				}
			}
			kept := 0
			for _, b := range s.blocks {
				kept += len(b)
			}
			if kept > verity.HeadBytes+verity.TopBytes+2*sampleBlockBytes {
				t.Errorf("%d bytes kept", kept)
			}
		})
	}
}

func TestSampleOfWhatIsNotKept(t *testing.T) {
	s := newSample(func(io.ReaderAt) (int64, error) { return 4 << 20, nil })
	s.Write(make([]byte, 8<<20))
	if n, err := s.ReadAt(make([]byte, 10), 2<<20); n != 0 || !errors.Is(err, errNotKept) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
