// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/clipos/updater/test/powercut"
)

// recorded is a disk of the machine whose writes and flushes are recorded.
type recorded struct {
	// base is what it held when the machine started, record what was done
	// to it since.
	base, record string
}

// scratchBytes is the size of an empty disk.
const scratchBytes = 48 * mib

// record starts the machine from its disk as it was after the first boot, with
// every write and flush recorded, and two empty disks beside it.
func (m *machine) record() (disk recorded, scratch [2]recorded) {
	m.Helper()
	dir := filepath.Join(m.work, "recorded")
	files := filesIn(dir)
	disk = recorded{filepath.Join(dir, "base.raw"), filepath.Join(dir, "record")}
	err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755))
	if err == nil {
		err = all(m.Context(), [][]string{
			{"qemu-img", "convert", "-O", "raw", m.booted().layer, disk.base},
			{"qemu-img", "create", "-q", "-f", "qcow2", "-b", disk.base, "-F", "raw", files.layer},
			{"cp", "--reflink=auto", m.booted().variables, files.variables},
		})
	}
	args, diskErr := recordingDisk("disk", files.layer, "qcow2", disk.record)
	err = errors.Join(err, diskErr)
	for i, name := range []string{"one", "two"} {
		scratch[i] = recorded{filepath.Join(dir, name+".raw"), filepath.Join(dir, name+".record")}
		err = errors.Join(err, os.WriteFile(scratch[i].base, nil, 0o644), os.Truncate(scratch[i].base, scratchBytes))
		more, diskErr := recordingDisk(name, scratch[i].base, "raw", scratch[i].record)
		err, args = errors.Join(err, diskErr), append(args, more...)
	}
	if err != nil {
		m.Fatal(err)
	}
	m.swapEmulator(func(ctx context.Context) (*emulator, error) { return startWithDisks(ctx, dir, "", args) })
	m.awaitBoot(runningVersion)
	return disk, scratch
}

// recordingDisk returns QEMU's arguments. Not write-zeroes, which damages the
// record, see package powercut.
func recordingDisk(name, file, format, record string) ([]string, error) {
	if err := os.WriteFile(record, nil, 0o644); err != nil {
		return nil, err
	}
	type object = map[string]any
	noFlush := object{"no-flush": true} // the host does not lose power
	layer, err := json.Marshal(object{
		"driver": format, "node-name": name + "-layer", "discard": "unmap", "cache": noFlush,
		"file": object{"driver": "file", "filename": file, "discard": "unmap", "cache": noFlush},
	})
	if err != nil {
		return nil, err
	}
	recorder, err := json.Marshal(object{
		"driver": "blklogwrites", "node-name": name, "file": name + "-layer", "log-sector-size": powercut.SectorBytes, "discard": "unmap",
		"log": object{"driver": "file", "filename": record, "cache": noFlush},
	})
	device := "virtio-blk-pci,write-zeroes=off,drive=" + name
	if name == "disk" {
		device += ",bootindex=0"
	}
	return []string{"-blockdev", string(layer), "-blockdev", string(recorder), "-device", device}, err
}

// swapEmulator ends the machine's process and starts another.
func (m *machine) swapEmulator(start func(context.Context) (*emulator, error)) {
	m.Helper()
	m.stop()
	e, err := start(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	m.running = e
}

// requests reads the record as far as it has come.
func (m *machine) requests(d recorded) []powercut.Request {
	m.Helper()
	f, err := os.Open(d.record)
	if err != nil {
		m.Fatal(err)
	}
	defer f.Close()
	requests, err := powercut.Read(f)
	if err != nil {
		m.Fatal(err)
	}
	return requests
}

// install builds a program of this folder's cmd and puts it into the guest.
func (m *machine) install(program string) (path string) {
	m.Helper()
	built := filepath.Join(m.work, program)
	if _, err := output(m.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", built, "./cmd/"+program); err != nil {
		m.Fatal(err)
	}
	path = "/run/" + program
	m.putFile(path, built)
	m.run("chmod", "755", path)
	return path
}

// putFile copies a file of the host into the guest.
func (m *machine) putFile(path, onHost string) {
	m.Helper()
	content, err := os.ReadFile(onHost)
	if err != nil {
		m.Fatal(err)
	}
	m.put(path, string(content))
}

// within runs a part of the test and returns what it did to a disk: all
// requests so far, and the number of those before it.
func (m *machine) within(d recorded, part func()) (requests []powercut.Request, begin int) {
	m.Helper()
	m.run("sync")
	begin = len(m.requests(d))
	part()
	return m.requests(d), begin
}
