// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errUnordered: this kernel, or what keeps us in, has no way to hold a program's
// writes.
var errUnordered = errors.New("the tool's writes cannot be held")

// writeFilter lets a program do what it wants but asks before the calls by which
// LVM writes to devices: seccomp(2), SECCOMP_RET_USER_NOTIF. Mostly that is
// io_submit(2), by which it also reads. Where the kernel has no asynchronous I/O,
// others have used it up or lvm.conf has use_aio = 0, it is write(2) of whole
// sectors; pwrite(2) would be as good. What is asked for besides, such as a file
// that is no device, costs a moment.
//
// Shorter writes must not be held: the Go runtime's own, in the thread that has
// the filter and starts the program, would keep from running who answers. They
// are words of eight bytes, to wake its poller and to say why a program could not
// be started. Longer ones of that thread are let through without a flush.
//
// The number of the call is the first word of struct seccomp_data. The length is
// its third argument, the two words at 32; which one is the upper half does not
// matter here.
func writeFilter() []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 7, Jf: 0, K: unix.SYS_IO_SUBMIT},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 6, Jf: 0, K: unix.SYS_PWRITE64},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 6, K: unix.SYS_WRITE},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 32},
		{Code: unix.BPF_MISC | unix.BPF_TAX},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 36},
		{Code: unix.BPF_ALU | unix.BPF_OR | unix.BPF_X},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 1, K: sectorBytes},
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
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("%w: %w", errUnordered, os.NewSyscallError("uname", err))
	}
	return checkRelease(unix.ByteSliceToString(name.Release[:]))
}

// checkRelease refuses a kernel before Linux 5.5: it can ask, but a call that
// was asked for cannot go on (SECCOMP_USER_NOTIF_FLAG_CONTINUE).
func checkRelease(release string) error {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || major < 5 || major == 5 && minor < 5 {
		return fmt.Errorf("%w: Linux %s is older than 5.5", errUnordered, release)
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
	if err := checkOrdered(); err != nil {
		return err
	}
	ended, end, err := os.Pipe()
	if err != nil {
		return err
	}
	h := holder{flush: flush, ended: ended, answered: make(chan error, 1)}
	if err = h.start(cmd); err == nil {
		err = cmd.Wait()
	}
	err = errors.Join(err, end.Close()) // which ends answerAll
	why := <-h.answered
	if err == nil {
		why = nil // it was of no importance to the program
	}
	return errors.Join(err, why, ended.Close())
}

// holder answers for one program.
type holder struct {
	flush    func() error
	listener *os.File
	// ended becomes readable when the program has ended; then answered gets
	// what [holder.answerAll] came to.
	ended    *os.File
	answered chan error
	// starter is the thread that starts the program, by its number, and has the
	// filter itself: until it has done so, 0 afterwards.
	starter atomic.Uint32
}

// start starts cmd with the filter. A filter is for good: so it is put on a
// thread that ends with this call, and the program inherits it.
func (h *holder) start(cmd *exec.Cmd) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // so the thread ends with it
		if unix.Gettid() == unix.Getpid() {
			// The first thread cannot end before the process does. While this
			// goroutine holds it, another one gets another thread.
			err = h.start(cmd)
			runtime.UnlockOSThread()
			return
		}
		if h.listener, err = filterThread(); err != nil {
			close(h.answered)
			return
		}
		h.starter.Store(uint32(unix.Gettid())) //nolint:gosec // positive
		go func() { h.answered <- h.answerAll() }()
		err = cmd.Start()
		h.starter.Store(0)
	}()
	<-done
	return err
}

func filterThread() (*os.File, error) {
	filter := writeFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // of eleven
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

// answerAll answers the program until ended is readable, and returns why a
// flush failed first. Without a listener, which it closes, every further write
// of the program fails: none waits for an answer that does not come.
func (h *holder) answerAll() (err error) {
	defer h.listener.Close()
	wait := []unix.PollFd{
		{Fd: int32(h.listener.Fd()), Events: unix.POLLIN}, //nolint:gosec // descriptors are small numbers
		{Fd: int32(h.ended.Fd()), Events: unix.POLLIN},    //nolint:gosec // as above
	}
	for {
		_, pollErr := unix.Poll(wait, -1)
		switch {
		case errors.Is(pollErr, unix.EINTR):
		case pollErr != nil:
			return errors.Join(err, os.NewSyscallError("poll", pollErr))
		case wait[1].Revents != 0:
			return err
		case wait[0].Revents&unix.POLLIN != 0:
			flushErr, answerErr := h.answer()
			if err == nil {
				err = flushErr
			}
			if answerErr != nil {
				return errors.Join(err, answerErr)
			}
		case wait[0].Revents&unix.POLLHUP != 0: // nobody has the filter any more
			wait[0].Fd = -1
		}
	}
}

// answer lets the program go on, or fails its call. A program that was killed
// meanwhile needs no answer.
func (h *holder) answer() (flushErr, err error) {
	var n notification
	err = control(h.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) //nolint:gosec // ioctl of seccomp_unotify(2)
	if err == nil {
		r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		// Our own thread's write is none to a device; and it may hold a lock
		// that flush waits for, such as that of package testing's log of files.
		if n.pid == 0 || n.pid != h.starter.Load() {
			flushErr = h.flush()
		}
		if flushErr != nil {
			r = response{id: n.id, errno: -int32(unix.EIO)}
		}
		err = control(h.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) //nolint:gosec // as above
	}
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return flushErr, err
}

func control(f *os.File, request uintptr, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return os.NewSyscallError("ioctl", errno)
		}
	}
}
