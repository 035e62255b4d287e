// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"container/heap"
	"context"
	"errors"
	"io"
	"time"
)

// maxLineBytes is more than a line of nginx has, whose longest part is a
// request line of 8 KiB.
const maxLineBytes = 64 << 10

// Log is a log to be read: plain, or compressed by gzip(1).
type Log struct {
	Name string
	io.Reader
}

// source reads the entries of a log one by one.
type source struct {
	name   string
	lines  *bufio.Reader
	latest time.Time
	next   entry
	// damaged counts lines.
	damaged int
}

func newSource(log Log, latest time.Time) *source {
	begin := bufio.NewReaderSize(log, 16<<10)
	s := &source{name: log.Name, latest: latest, lines: bufio.NewReaderSize(begin, maxLineBytes)}
	// What is too short, or cannot be read, the first line will tell.
	if magic, _ := begin.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952, 2.3.1
		return s
	}
	plain, err := gzip.NewReader(begin)
	if err != nil {
		s.lines.Reset(broken{err})
		return s
	}
	s.lines.Reset(plain)
	return s
}

// broken is a reader that has nothing but an error.
type broken struct{ error }

func (b broken) Read([]byte) (int, error) { return 0, b.error }

// advance puts the entry that follows into next. At the end it returns io.EOF.
func (s *source) advance() error {
	for {
		line, err := s.line()
		if err != nil && len(line) == 0 {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if s.next, err = parseEntry(line, s.latest); err == nil {
			return nil
		}
		s.damaged++
	}
}

// line reads a line, which is only good until the next. One that is too long
// becomes one that is no entry.
func (s *source) line() ([]byte, error) {
	line, err := s.lines.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.lines.ReadSlice('\n')
	}
	return []byte("too long"), nil
}

// sources is a heap of logs, the one with the oldest next entry on top.
type sources []*source //nolint:recvcheck // container/heap changes the length of what it sorts

func (s sources) Len() int           { return len(s) }
func (s sources) Less(i, j int) bool { return s[i].next.unix < s[j].next.unix }
func (s sources) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push is not called: logs end, and none begins.
func (s *sources) Push(any) {}

// Pop drops the last.
func (s *sources) Pop() any {
	last := len(*s) - 1
	*s = (*s)[:last]
	return nil
}

// Read reads logs to their ends, the oldest line of all of them first, and
// reports. A log that breaks off (a gzip file that is still being written) is
// named in the report and not an error.
func Read(ctx context.Context, logs []Log, o Options) (*Report, error) {
	count := newCount(o)
	var all sources
	for _, log := range logs {
		s := newSource(log, o.Now.Add(24*time.Hour))
		if count.advance(s) {
			all = append(all, s)
		}
	}
	heap.Init(&all)
	for lines := 0; len(all) > 0; lines++ {
		if lines%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		top := all[0]
		count.add(&top.next)
		if count.advance(top) {
			heap.Fix(&all, 0)
		} else {
			heap.Pop(&all)
		}
	}
	return count.report(), nil
}

// advance tells whether a log has another entry; when not, its end is counted.
func (c *count) advance(s *source) bool {
	err := s.advance()
	if err == nil {
		return true
	}
	c.requests.Damaged += s.damaged
	if !errors.Is(err, io.EOF) {
		c.broken = append(c.broken, Broken{Log: s.name, Error: err.Error()})
	}
	return false
}
