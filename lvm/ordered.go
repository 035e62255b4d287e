// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errUnordered: this kernel, or what keeps us in, has no way to hold a program's
// writes.
var errUnordered = errors.New("the tool's writes cannot be held")

// writeFilter lets a program do what it wants but asks before io_submit(2), the
// one call by which LVM reads and writes devices: seccomp(2),
// SECCOMP_RET_USER_NOTIF. The number of the call is the first word of struct
// seccomp_data. A program for another architecture may be asked for another
// call; that costs it a moment.
func writeFilter() []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: unix.SYS_IO_SUBMIT},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

// notification is struct seccomp_notif, response struct seccomp_notif_resp, of
// linux/seccomp.h.
type notification struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	pointer    uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// checkOrdered returns errUnordered where the kernel does not know such filters,
// or a sandbox keeps them from us.
func checkOrdered() error {
	action := uint32(unix.SECCOMP_RET_USER_NOTIF)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))) //nolint:gosec // seccomp(2)
	if errno != 0 {
		return fmt.Errorf("%w: %w", errUnordered, os.NewSyscallError("seccomp", errno))
	}
	return nil
}

// runOrdered runs cmd to its end and calls flush before each of its writes to a
// device, which is done only when flush has succeeded. So the drive cannot
// reorder them. Without a way to do that the program is not started:
// errUnordered.
//
// When this process dies, the next write of the program fails, which LVM takes
// for a drive that fails: it goes back to the metadata it had.
func runOrdered(cmd *exec.Cmd, flush func() error) error {
	ended, end, err := os.Pipe()
	if err != nil {
		return err
	}
	listener, err := startFiltered(cmd)
	if err != nil {
		return errors.Join(err, closeAll(ended, end))
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		answerAll(listener, ended, flush)
	}()
	err = errors.Join(cmd.Wait(), end.Close()) // which ends answerAll
	<-answered
	return errors.Join(err, closeAll(ended, listener))
}

// startFiltered starts cmd with the filter. A filter is for good: so it is put
// on a thread that ends with this call, and the program inherits it.
func startFiltered(cmd *exec.Cmd) (listener *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if listener, err = filterThread(); err != nil {
			return
		}
		if err = cmd.Start(); err != nil {
			err = errors.Join(err, listener.Close())
		}
	}()
	<-done
	return listener, err
}

func filterThread() (*os.File, error) {
	filter := writeFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // of four
	// Who has no CAP_SYS_ADMIN needs it, and LVM gains no rights anyway.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnordered, os.NewSyscallError("prctl", err))
	}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&program))) //nolint:gosec // seccomp(2)
	if errno != 0 {
		return nil, fmt.Errorf("%w: %w", errUnordered, os.NewSyscallError("seccomp", errno))
	}
	return os.NewFile(fd, "seccomp"), nil
}

// answerAll answers the program until ended is readable.
func answerAll(listener, ended *os.File, flush func() error) {
	wait := []unix.PollFd{
		{Fd: int32(listener.Fd()), Events: unix.POLLIN}, //nolint:gosec // descriptors are small numbers
		{Fd: int32(ended.Fd()), Events: unix.POLLIN},    //nolint:gosec // as above
	}
	for {
		_, err := unix.Poll(wait, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil, wait[1].Revents != 0:
			return
		case wait[0].Revents&unix.POLLIN != 0:
			answer(listener, flush)
		default: // nobody has the filter any more
			wait[0].Fd = -1
		}
	}
}

// answer lets the program go on, or fails its call.
func answer(listener *os.File, flush func() error) {
	var n notification
	if control(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != nil { //nolint:gosec // ioctl of seccomp_unotify(2)
		return // it was killed meanwhile
	}
	r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if flush() != nil {
		r = response{id: n.id, errno: -int32(unix.EIO)}
	}
	_ = control(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) //nolint:gosec // as above; killed meanwhile
}

func control(f *os.File, request uintptr, argument unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(argument))
	if errno != 0 {
		return errno
	}
	return nil
}
