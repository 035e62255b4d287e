// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// output runs a program of the host and returns what it prints. It dies with
// the test.
func output(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "CGO_ENABLED=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: run test/setup vm", err)
	case err != nil:
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(program), err, tail(stderr.String(), 2000))
	}
	return string(out), nil
}

// tail is the last bytes of a text that may be long.
func tail(text string, bytes int) string { return text[max(0, len(text)-bytes):] }
