// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/clipos/updater/test/vm/guest"
)

// emulator is a QEMU process.
type emulator struct {
	cmd     *exec.Cmd
	control net.Conn
	answers chan json.RawMessage
	link    *link
	printed string
	count   atomic.Int64
}

// machineFiles are what one machine writes to: a copy-on-write layer over the
// disk, and the firmware's variables. Snapshots of the whole machine are in
// them.
type machineFiles struct{ layer, variables string }

func filesIn(dir string) machineFiles {
	return machineFiles{filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "variables.qcow2")}
}

// create makes the files of a machine that was never started.
func (f machineFiles) create(ctx context.Context, disk string) error {
	return all(ctx, [][]string{
		{"qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", f.layer},
		{"qemu-img", "convert", "-O", "qcow2", "/usr/share/OVMF/OVMF_VARS_4M.fd", f.variables},
	})
}

// copyTo copies the files of a machine that is off.
func (f machineFiles) copyTo(ctx context.Context, to machineFiles) error {
	return all(ctx, [][]string{
		{"cp", "--reflink=auto", f.layer, to.layer},
		{"cp", "--reflink=auto", f.variables, to.variables},
	})
}

// disk are QEMU's arguments for the machine's only disk.
func (f machineFiles) disk() []string {
	return []string{
		"-drive", "if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap,file=" + f.layer,
		"-device", "virtio-blk-pci,drive=disk,bootindex=0",
	}
}

// startEmulator starts the machine with its files in work, from a snapshot
// unless its name is empty. A snapshot is loaded by a new process only: in the
// same one the processor's clock would not go back.
func startEmulator(ctx context.Context, work, snapshot string) (*emulator, error) {
	return startWithDisks(ctx, work, snapshot, filesIn(work).disk())
}

func startWithDisks(ctx context.Context, work, snapshot string, disks []string) (*emulator, error) {
	files := filesIn(work)
	e := &emulator{answers: make(chan json.RawMessage), printed: filepath.Join(work, "console")}
	agent, control := filepath.Join(work, "agent"), filepath.Join(work, "control")
	// A socket of the process before would be taken for this one's.
	err := errors.Join(os.RemoveAll(agent), os.RemoveAll(control))
	if err != nil {
		return nil, err
	}
	// The process outlives the call.
	e.cmd = exec.Command("qemu-system-x86_64",
		"-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-smp", "1", "-m", "640",
		"-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
		"-drive", "if=pflash,format=qcow2,file="+files.variables,
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=agent,server=on,wait=off,path="+agent,
		"-device", "virtserialport,chardev=agent,name="+guest.Port,
		"-serial", "file:"+e.printed,
		// It waits for `cont`, so that the guest finds both ends connected.
		"-S", "-qmp", "unix:"+control+",server=on,wait=off")
	e.cmd.Args = append(e.cmd.Args, disks...)
	if snapshot != "" {
		e.cmd.Args = append(e.cmd.Args, "-loadvm", snapshot)
	}
	e.cmd.Stderr = os.Stderr
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: run test/setup vm", err)
	}
	if err := e.connect(ctx, agent, control); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Close ends the process, if it has not ended.
func (e *emulator) Close() error {
	err := e.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	_ = e.cmd.Wait() // was killed
	return err
}

func (e *emulator) guest() *link    { return e.link }
func (e *emulator) console() string { return e.printed }
func (e *emulator) resets() int64   { return e.count.Load() }
func (e *emulator) reset() error    { return e.execute("system_reset", nil) }

func (e *emulator) connect(ctx context.Context, agent, control string) error {
	port, err := dial(ctx, agent)
	if err != nil {
		return err
	}
	e.link = newLink(port)
	if e.control, err = dial(ctx, control); err != nil {
		return err
	}
	go e.listen()
	return errors.Join(e.execute("qmp_capabilities", nil), e.execute("cont", nil))
}

// dial waits for the socket of a process that has just been started.
func dial(ctx context.Context, path string) (net.Conn, error) {
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// listen reads answers and events until the process has ended; QEMU's machine
// protocol is a JSON object a line.
func (e *emulator) listen() {
	defer close(e.answers)
	lines := bufio.NewReader(e.control)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var message struct{ Event string }
		if json.Unmarshal(line, &message) != nil {
			return
		}
		switch {
		case message.Event == "RESET":
			e.count.Add(1)
		case message.Event == "" && !strings.Contains(string(line), `"QMP"`):
			e.answers <- line
		}
	}
}

// execute runs a command of the machine protocol.
func (e *emulator) execute(command string, arguments map[string]any) error {
	request, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments})
	if err != nil {
		return err
	}
	if arguments == nil {
		request = fmt.Appendf(nil, `{"execute": %q}`, command)
	}
	if _, err := e.control.Write(request); err != nil {
		return err
	}
	answer, open := <-e.answers
	if !open {
		return fmt.Errorf("%s: %w", command, io.ErrUnexpectedEOF)
	}
	var result struct {
		Return json.RawMessage
		Error  *struct{ Desc string }
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return err
	}
	if result.Error != nil {
		return fmt.Errorf("%s: %s", command, result.Error.Desc)
	}
	// The monitor for humans prints nothing when all is well.
	if text := string(result.Return); text != "{}" && text != `""` {
		return fmt.Errorf("%s: %s", command, text)
	}
	return nil
}

// snapshot keeps the state of the whole machine and ends the process, which
// leaves its files complete.
func (e *emulator) snapshot(name string) error {
	err := e.execute("human-monitor-command", map[string]any{"command-line": "savevm " + name})
	if err == nil {
		err = e.execute("quit", nil)
	}
	return errors.Join(err, e.cmd.Wait())
}
