// SPDX-License-Identifier: LGPL-2.1-or-later

// Agent runs inside a test machine and does what the host asks; see package
// guest. The host is at the other end of the virtio-serial port or, with
// --stdio, of standard input and output.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipos/updater/test/vm/guest"
)

// notStarted is what a shell reports for a program that is not there.
const notStarted = 127

func main() {
	fmt.Fprintf(os.Stderr, "error: %v\n", serve())
	os.Exit(1)
}

// serve returns when there is nobody to serve any more.
func serve() error {
	port, err := open()
	if err != nil {
		return err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(port, "\n%s %s", guest.Hello, boot); err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.Register(Agent{}); err != nil {
		return err
	}
	server.ServeCodec(jsonrpc.NewServerCodec(port))
	return errors.New("the host has closed the port")
}

func open() (io.ReadWriteCloser, error) {
	if slices.Equal(os.Args[1:], []string{"--stdio"}) {
		return stdio{os.Stdin, os.Stdout}, nil
	}
	return openPort()
}

// stdio reads one file and writes another.
type stdio struct {
	io.ReadCloser
	io.Writer
}

// openPort finds the port by its name; the kernel tells it in sysfs.
func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		name, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(string(name)) == guest.Port {
			return os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(path))), os.O_RDWR, 0)
		}
	}
	return nil, fmt.Errorf("no virtio-serial port %s", guest.Port)
}

// Agent is the service. Its calls run side by side.
type Agent struct{}

// Run runs a program and waits for its end.
func (Agent) Run(c guest.Command, r *guest.Result) error {
	if len(c.Args) == 0 {
		return errors.New("no program")
	}
	// What the host is tired of it ends by resetting the machine.
	program := exec.Command(c.Args[0], c.Args[1:]...)
	var stdout, stderr bytes.Buffer
	program.Stdin, program.Stdout, program.Stderr = bytes.NewReader(c.Stdin), &stdout, &stderr
	err := program.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &ended):
		r.Status = ended.ExitCode()
	default:
		r.Status = notStarted
		fmt.Fprintln(&stderr, err)
	}
	r.Stdout, r.Stderr = stdout.Bytes(), stderr.Bytes()
	return nil
}
