package capture

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The structures of <linux/seccomp.h>.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

type addFD struct {
	id         uint64
	flags      uint32
	srcfd      uint32
	newfd      uint32
	newfdFlags uint32
}

const (
	notifyIDValid = 0x40082102 // SECCOMP_IOCTL_NOTIF_ID_VALID
	notifyAddFD   = 0x40182103 // SECCOMP_IOCTL_NOTIF_ADDFD
	letContinue   = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
)

// Notifications is the master's end of a worker's filter. It becomes readable when a
// process of the worker is stopped in bind, and ends with the last of them.
type Notifications struct {
	file  *os.File
	blind atomic.Pointer[error] // why a bind could not be examined
}

// Open takes over the descriptor of a filter, and makes it non-blocking.
func Open(file *os.File) (*Notifications, error) {
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read notifications of bind: %w", err)
	}
	file.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot read notifications of bind: %w", err)
	}
	n := &Notifications{file: os.NewFile(uintptr(fd), "bind notifications")}
	if err := n.file.SetReadDeadline(time.Time{}); err != nil { // not in the poller: a read would take a thread
		n.file.Close()
		return nil, fmt.Errorf("cannot read notifications of bind: %w", err)
	}
	return n, nil
}

// File returns the descriptor, for a legacy. It belongs to n.
func (n *Notifications) File() *os.File { return n.file }

// Serve answers every bind until the worker's last process has ended, or Stop is called. It
// calls answer for one bind at a time. If a bind cannot be examined, the kernel performs it.
func (n *Notifications) Serve(answer func(Bind) Answer) error {
	for {
		request, err := n.next()
		if err != nil {
			return err
		}
		n.handle(request, answer)
	}
}

// Stop ends Serve. A bind that is being answered is finished first. The next one waits in
// the kernel for the next reader of the descriptor.
func (n *Notifications) Stop() { n.file.SetReadDeadline(time.Unix(1, 0)) }

// Close closes the filter's descriptor. If no other copy of it is left, every later bind
// of the worker fails with ENOSYS.
func (n *Notifications) Close() error { return n.file.Close() }

// ErrEnded is returned by Serve when no process is left that could bind.
var ErrEnded = errors.New("capture: the worker's last process is gone")

// next waits for a process that is stopped in a bind. It never blocks a thread, because it
// receives only if poll has shown a notification. If that process has died in between, the
// kernel returns ENOENT.
func (n *Notifications) next() (request notification, err error) {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return request, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(poll, 0); errors.Is(err, unix.EINTR) {
				continue
			}
			switch {
			case poll[0].Revents&unix.POLLIN != 0:
			case poll[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
				failed = ErrEnded
				return true
			default:
				return false
			}
			request = notification{}
			errno := control(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&request))
			switch errno {
			case 0:
				return true
			case unix.ENOENT, unix.EINTR, unix.EAGAIN:
				continue
			}
			failed = fmt.Errorf("cannot receive a notification of bind: %w", errno)
			return true
		}
	})
	return request, errors.Join(err, failed)
}

func control(fd, request uintptr, argument unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(argument))
	return errno
}

// handle answers one bind. A program that dies meanwhile needs no answer.
func (n *Notifications) handle(request notification, answer func(Bind) Answer) {
	sockFD := int(int32(request.args[0]))
	bind, closeOnExec, err := look(int(request.pid), sockFD, request.args[1], request.args[2])
	verdict := LetThrough()
	if forbidden(err) {
		n.blind.Store(&err)
	}
	if err == nil && bind.Address.Server() && !bind.Socket.Bound && n.valid(request.id) {
		verdict = answer(bind)
	}
	reply := response{id: request.id}
	switch {
	case verdict.Errno != 0:
		reply.error = -int32(verdict.Errno)
	case verdict.FD < 0:
		reply.flags = letContinue
	default:
		if errno := n.replace(request.id, verdict.FD, sockFD, closeOnExec); errno != 0 {
			reply.error = -int32(errno)
		}
	}
	n.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&reply))
}

// Blind says why a bind of the worker could not be examined, so that the kernel performed
// it. It returns nil if all could.
func (n *Notifications) Blind() error {
	if err := n.blind.Load(); err != nil {
		return *err
	}
	return nil
}

// forbidden says whether the kernel, or a filter above this process, does not allow to examine
// the bind. Other errors mean that the address is not that of a server.
func forbidden(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS)
}

// valid says whether the process still waits. If so, what was read belongs to it, and not to
// another process that has got its pid.
func (n *Notifications) valid(id uint64) bool {
	return n.ioctl(notifyIDValid, unsafe.Pointer(&id)) == 0
}

// replace replaces the program's socket by a copy of ours.
func (n *Notifications) replace(id uint64, ours, theirs int, closeOnExec bool) unix.Errno {
	add := addFD{id: id, flags: unix.SECCOMP_ADDFD_FLAG_SETFD, srcfd: uint32(ours), newfd: uint32(theirs)}
	if closeOnExec {
		add.newfdFlags = unix.O_CLOEXEC
	}
	errno := n.ioctl(notifyAddFD, unsafe.Pointer(&add))
	for errno == unix.EINTR {
		errno = n.ioctl(notifyAddFD, unsafe.Pointer(&add))
	}
	return errno
}

func (n *Notifications) ioctl(request uintptr, argument unsafe.Pointer) (errno unix.Errno) {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return unix.EBADF
	}
	errno = unix.EBADF
	raw.Control(func(fd uintptr) {
		// SEND and ADDFD return a number if they succeed.
		errno = control(fd, request, argument)
	})
	return errno
}
