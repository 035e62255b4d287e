// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// zstdProgram is where Debian, Gentoo and Fedora have it.
const zstdProgram = "/usr/bin/zstd"

// minVersion is the first whose --patch-from is as good as it is since.
var minVersion = [2]int{1, 5}

var versionPattern = regexp.MustCompile(`v?([0-9]+)\.([0-9]+)\.[0-9]+`)

// checkProgram demands a zstd that is there and not too old.
func checkProgram(ctx context.Context) error {
	var out bytes.Buffer
	if err := runZstd(ctx, nil, nil, &out, "--version"); err != nil {
		return err
	}
	found := versionPattern.FindSubmatch(out.Bytes())
	if found == nil {
		return fmt.Errorf("%s: no version in %.100q", zstdProgram, out.Bytes())
	}
	major, _ := strconv.Atoi(string(found[1]))
	minor, _ := strconv.Atoi(string(found[2]))
	if major < minVersion[0] || major == minVersion[0] && minor < minVersion[1] {
		return fmt.Errorf("%s: version %s is older than %d.%d", zstdProgram, found[0], minVersion[0], minVersion[1])
	}
	return nil
}

const (
	quickLevel = 3
	// smallFrameBytes are as many as a piece takes in which little changed.
	smallFrameBytes = 2 << 10
)

// compressPiece makes the frame of a piece. Most pieces of an update are in the
// base but for a few bytes: a higher level would take a hundred times as long
// to save some hundred bytes.
func compressPiece(ctx context.Context, level int, window, content []byte) ([]byte, error) {
	frame, err := compressAt(ctx, min(level, quickLevel), window, content)
	if err != nil || level <= quickLevel || len(frame) <= smallFrameBytes {
		return frame, err
	}
	return compressAt(ctx, level, window, content)
}

func compressAt(ctx context.Context, level int, window, content []byte) ([]byte, error) {
	args := []string{
		"-q", "-c", "-" + strconv.Itoa(level), "--check",
		// Threads would make other frames.
		"--single-thread",
		// Into the frame's header, and what --patch-from demands.
		"--stream-size=" + strconv.Itoa(len(content)),
	}
	if len(content) < pieceBytes {
		// zstd makes its tables as large as the piece, and would find nothing
		// far back in the window of a short one.
		args = append(args, "--zstd=hashLog=24,chainLog=24")
	}
	var files []*os.File
	if len(window) > 0 {
		file, err := memoryFile("window", window)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		files = append(files, file)
		// The first of ExtraFiles is descriptor 3.
		args = append(args, "--patch-from=/proc/self/fd/3")
	}
	var frame bytes.Buffer
	if err := runZstd(ctx, files, bytes.NewReader(content), &frame, args...); err != nil {
		return nil, err
	}
	return frame.Bytes(), nil
}

// memoryFile is a file without a name, in memory.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := file.Write(content); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func runZstd(ctx context.Context, files []*os.File, in io.Reader, out io.Writer, args ...string) error {
	command := exec.CommandContext(ctx, zstdProgram, args...)
	// Without ZSTD_CLEVEL and ZSTD_NBTHREADS.
	command.Env = []string{"LC_ALL=C"}
	command.ExtraFiles = files
	var complaint bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = in, out, &complaint
	switch err := command.Run(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && complaint.Len() > 0:
		return fmt.Errorf("%s: %w: %.500q", zstdProgram, err, bytes.TrimSpace(complaint.Bytes()))
	case err != nil:
		return fmt.Errorf("zstd: %w", err)
	}
	return nil
}
