package listeners

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// hangups reports listeners that a worker has shut down. It has its own epoll set, which
// asks for no events, so that only hangups, which epoll always reports, make the set
// readable; the runtime's poller waits for that. A client's connection does not wake the
// master.
type hangups struct {
	set   *os.File
	ended chan struct{} // closed when the goroutine is gone
}

// watchHangups calls hungUp, from one goroutine, after each hangup.
func watchHangups(hungUp func()) (*hangups, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot watch listeners: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot watch listeners: %w", err)
	}
	h := &hangups{set: os.NewFile(uintptr(fd), "hangups"), ended: make(chan struct{})}
	if err := h.set.SetReadDeadline(time.Time{}); err != nil { // not in the poller: a read would block
		h.set.Close()
		return nil, fmt.Errorf("cannot watch listeners: %w", err)
	}
	go func() {
		defer close(h.ended)
		for h.wait() == nil {
			hungUp()
		}
	}()
	return h, nil
}

func (h *hangups) wait() error {
	raw, err := h.set.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		var events [8]unix.EpollEvent
		n, err := unix.EpollWait(int(fd), events[:], 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			failed = err
		}
		return n > 0 || failed != nil
	})
	return errors.Join(err, failed)
}

// add watches a listener. It is edge-triggered, so that a parked listener is reported
// once and not again and again. Each hangup is an edge. A nil *hangups does nothing.
func (h *hangups) add(l *Listener) {
	if h == nil || l.Datagram() {
		return
	}
	h.control(unix.EPOLL_CTL_ADD, l, unix.EPOLLRDHUP|unix.EPOLLET)
}

// addSeat watches a worker's own socket, as long as it is open.
func (h *hangups) addSeat(file *os.File) {
	if h != nil {
		h.controlFile(unix.EPOLL_CTL_ADD, file, unix.EPOLLRDHUP|unix.EPOLLET)
	}
}

func (h *hangups) remove(l *Listener) {
	if h != nil && !l.Datagram() {
		h.control(unix.EPOLL_CTL_DEL, l, 0)
	}
}

// control cannot fail for a listener that is open; Inspect finds what the set
// does not tell of.
func (h *hangups) control(operation int, l *Listener, events uint32) {
	h.controlFile(operation, l.file, events)
}

func (h *hangups) controlFile(operation int, file *os.File, events uint32) {
	raw, err := h.set.SyscallConn()
	if err != nil {
		return
	}
	fd := int(file.Fd())
	raw.Control(func(set uintptr) {
		unix.EpollCtl(int(set), operation, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	})
}

func (h *hangups) close() {
	if h != nil {
		h.set.Close()
		<-h.ended
	}
}
