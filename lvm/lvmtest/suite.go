// SPDX-License-Identifier: LGPL-2.1-or-later

package lvmtest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipos/updater/lvm"
)

// suite is one test of one backend. Its methods are the steps of a test, each
// of which fails it.
type suite struct {
	*testing.T
	Backend
	source *rand.ChaCha8
}

func newSuite(t *testing.T, b Backend) *suite {
	t.Helper()
	return &suite{t, b, rand.NewChaCha8([32]byte{})}
}

func (s *suite) survey() lvm.Survey {
	s.Helper()
	survey, err := s.Survey(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return survey
}

func (s *suite) create(name string) {
	s.Helper()
	if err := s.Create(s.Context(), name); err != nil {
		s.Fatal(err)
	}
}

// open leaves closing to the end of the test where the test does not do it.
func (s *suite) open(name string) lvm.Device {
	s.Helper()
	d, err := s.Open(s.Context(), name)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = d.Close() })
	return d
}

func (s *suite) close(d lvm.Device) {
	s.Helper()
	if err := d.Close(); err != nil {
		s.Fatal(err)
	}
}

func (s *suite) random(length int) []byte {
	p := lvm.AlignedBuffer(length)
	_, _ = s.source.Read(p) // never fails
	return p
}

// write fills and flushes the device and returns its contents.
func (s *suite) write(d lvm.Device) []byte {
	s.Helper()
	p := s.random(int(d.SizeBytes()))
	if n, err := d.WriteAt(p, 0); n != len(p) || err != nil {
		s.Fatalf("WriteAt: %d of %d bytes, %v", n, len(p), err)
	}
	if err := d.Flush(); err != nil {
		s.Fatal(err)
	}
	return p
}

func (s *suite) fill(name string) []byte {
	s.Helper()
	d := s.open(name)
	content := s.write(d)
	s.close(d)
	return content
}

func (s *suite) readBack(d lvm.Device) []byte {
	s.Helper()
	p := lvm.AlignedBuffer(int(d.SizeBytes()))
	if n, err := d.ReadBackAt(p, 0); n != len(p) || err != nil {
		s.Fatalf("ReadBackAt: %d of %d bytes, %v", n, len(p), err)
	}
	return p
}

func (s *suite) wantNames(want ...string) {
	s.Helper()
	var got []string
	for _, v := range s.survey().Volumes {
		got = append(got, v.Name)
	}
	if !slices.Equal(got, want) {
		s.Errorf("volumes %q, want %q", got, want)
	}
}

func (s *suite) wantContent(name string, want []byte) {
	s.Helper()
	d := s.open(name)
	if got := s.readBack(d); !bytes.Equal(got, want) {
		s.Errorf("%s: contents differ", name)
	}
	s.close(d)
}
