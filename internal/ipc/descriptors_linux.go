package ipc

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// soPassRights is SO_PASSRIGHTS (Linux 6.16), which x/sys does not name yet. With 0 a
// send of descriptors to the socket fails with EPERM.
const soPassRights = 83

// acceptDescriptors sets whether descriptors may be sent to a socket. It does nothing on an older
// kernel.
func acceptDescriptors(socket syscall.Conn, accept bool) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	value := 0
	if accept {
		value = 1
	}
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, soPassRights, value) })
	if failed != nil {
		return failed
	}
	return err
}

const (
	// maxUnclosed is how many descriptors may wait to be closed before no more are accepted. A
	// datagram carries 253 at most (SCM_MAX_FD).
	maxUnclosed = 256
	// slowClose is how long one close may take before the sender is reported.
	slowClose = time.Second
)

// closer closes the descriptors that came with datagrams. close(2) may take as long as the sender
// likes (SO_LINGER, a FUSE file system), so each sender has a goroutine of its own while
// descriptors of it wait.
type closer struct {
	accept func(bool) error // nil: nothing is refused
	slow   func(Sender)     // reports a sender whose descriptors do not close; may be nil
	close  func(fd int)

	mu        sync.Mutex
	bySender  map[int]*unclosed // by PID
	waiting   int               // descriptors of all senders
	refusing  bool
	powerless bool // descriptors should be refused, but the kernel cannot
}

// unclosed are the descriptors of one sender.
type unclosed struct {
	fds   []int
	began time.Time // of the close under way
	told  bool
}

func newCloser(accept func(bool) error) *closer {
	return &closer{accept: accept, close: closeWithoutLinger, bySender: map[int]*unclosed{}}
}

// closeWithoutLinger closes a descriptor and drops data that the sender has not sent.
func closeWithoutLinger(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{}) // fails if it is no socket
	unix.Close(fd)
}

// take has descriptors closed, in order, in the background.
func (c *closer) take(from Sender, fds []int) {
	if len(fds) == 0 {
		return
	}
	if c.add(from, fds) && c.slow != nil {
		c.slow(from)
	}
}

// add returns true if the sender is to be reported.
func (c *closer) add(from Sender, fds []int) (report bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting += len(fds)
	if c.waiting >= maxUnclosed && !c.refusing {
		c.refusing = true
		c.powerless = c.accept == nil || c.accept(false) != nil
	}
	u := c.bySender[from.PID]
	if u == nil {
		u = &unclosed{began: time.Now()}
		c.bySender[from.PID] = u
		go c.run(from.PID, u)
	}
	u.fds = append(u.fds, fds...)
	report = !u.told && time.Since(u.began) > slowClose
	u.told = u.told || report
	return report
}

func (c *closer) run(pid int, u *unclosed) {
	for fd, ok := c.next(pid, u); ok; fd, ok = c.next(pid, u) {
		c.close(fd)
		c.closed()
	}
}

func (c *closer) next(pid int, u *unclosed) (fd int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(u.fds) == 0 {
		delete(c.bySender, pid)
		return 0, false
	}
	fd, u.fds, u.began = u.fds[0], u.fds[1:], time.Now()
	return fd, true
}

func (c *closer) closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if c.refusing && c.waiting < maxUnclosed/2 {
		c.refusing, c.powerless = false, false
		if c.accept != nil {
			_ = c.accept(true) // if it fails, nothing was refused
		}
	}
}

// full says whether too many descriptors wait to be closed, on a kernel that cannot refuse them.
// Then messages are received without room for descriptors, and the kernel drops these.
func (c *closer) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.powerless
}
