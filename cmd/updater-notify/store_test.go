// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sampleMemory() memory {
	return memory{
		Answers: map[kind]answer{kindReady: {Subject: newer, Until: evening}, kindStale: {Subject: "never"}},
		Asked:   newer, Offered: newer, OfferedSince: evening,
		Restart: &appointment{Version: newer, At: night, End: night.Add(tonightWindow)},
	}
}

func TestStore(t *testing.T) {
	s := store{filepath.Join(t.TempDir(), "a/b/state.json")}
	if m, err := s.load(); err != nil || !reflect.DeepEqual(m, memory{}) {
		t.Errorf("not there: %+v, %v", m, err)
	}
	want := sampleMemory()
	if err := s.save(want); err != nil {
		t.Fatal(err)
	}
	if m, err := s.load(); err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v; want %+v", m, err, want)
	}
	if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(s.path)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	for name, content := range map[string]string{
		"cut":      `{"answers"`,
		"no JSON":  "\x00",
		"a list":   "[]",
		"too long": `{"asked":"` + strings.Repeat("x", maxMemoryBytes) + `"}`,
	} {
		if err := os.WriteFile(s.path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := s.load(); err == nil || !reflect.DeepEqual(m, memory{}) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// TestStoreCannot: where nothing can be written, nothing is broken.
func TestStoreCannot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := store{filepath.Join(file, "state.json")}
	if err := s.save(memory{}); err == nil {
		t.Error("saved below a file")
	}
	if _, err := s.load(); err == nil {
		t.Error("loaded from below a file")
	}
}

// FuzzMemory: whatever is in the file, what is decided with it is decided, and
// what is remembered then can be read again.
func FuzzMemory(f *testing.F) {
	data, err := encodeMemory(sampleMemory())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"restart":{"at":"9999-12-31T23:59:59Z"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMemory(data)
		if err != nil {
			return
		}
		for _, now := range []time.Time{evening, night, night.Add(noticeTime)} {
			d := decide(with(pending, func(w *world) { w.memory, w.now = m, now }))
			data, err := encodeMemory(d.memory)
			if err != nil {
				t.Skip(err) // a year that JSON cannot say
			}
			if again, err := parseMemory(data); err != nil || len(again.Answers) != len(d.memory.Answers) {
				t.Errorf("%+v, %v; was %+v", again, err, d.memory)
			}
		}
	})
}
