package ipc

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxReceived is how many descriptors come with one message at most (SCM_MAX_FD).
const maxReceived = 253

// receiver reads from a socket whose peer may send descriptors, and closes them. A closer
// does that apart, because a close may take as long as the peer likes.
type receiver struct {
	socket  *os.File
	control []byte
	closer  *closer
}

func newReceiver(socket *os.File) *receiver {
	r := &receiver{socket: socket, control: make([]byte, unix.CmsgSpace(maxReceived*4))}
	r.closer = newCloser(func(accept bool) error { return acceptDescriptors(socket, accept) })
	return r
}

func (r *receiver) Read(into []byte) (n int, err error) {
	raw, err := r.socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	control := r.control
	if r.closer.full() {
		control = nil // the kernel drops them
	}
	controls, failed := 0, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, controls, _, _, failed = unix.Recvmsg(int(fd), into, control, unix.MSG_CMSG_CLOEXEC)
			if failed != unix.EINTR {
				return failed != unix.EAGAIN
			}
		}
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, err
	case err != nil:
		return 0, os.ErrClosed
	case failed != nil:
		return 0, os.NewSyscallError("recvmsg", failed)
	case n == 0 && len(into) > 0:
		return 0, io.EOF
	}
	r.drop(control[:controls])
	return n, nil
}

func (r *receiver) drop(control []byte) {
	if len(control) == 0 {
		return
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			r.closer.take(Sender{}, fds)
		}
	}
}
