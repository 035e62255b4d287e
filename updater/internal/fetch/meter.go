// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import "sync"

// meter is what the goroutine that does the work tells the one that watches it.
type meter struct {
	mu                    sync.Mutex
	doneBytes, totalBytes int64 // of the file; total -1 while unknown
	arrivedBytes          int64 // of all attempts, also of bytes dropped again
	receiving             bool
}

// place says where in the file the transfer stands.
func (m *meter) place(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doneBytes, m.totalBytes = done, total
}

func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doneBytes += n
	m.arrivedBytes += n
}

func (m *meter) setReceiving(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.receiving = on
}

func (m *meter) position() (done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.doneBytes, m.totalBytes
}

func (m *meter) total() int64 {
	_, total := m.position()
	return total
}

func (m *meter) arrived() (bytes int64, receiving bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.arrivedBytes, m.receiving
}
