package rescue

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Verbs are first arguments that make the relevo binary a relay: the first starts the
// second and ends, so that a relay is nobody's child to wait for, whatever becomes of
// the master.
const (
	verbStart = "__relay"
	verbServe = "__relay-serve"
)

// firstFD is the worker's pidfd; the connections follow.
const firstFD = 3

// HandOver starts a relay for the connections, by the program self. start runs a
// function that makes a child of this process, which ends at once. The worker, whose
// pidfd is given, may live on for a while. The holding is empty afterwards, also if an
// error is returned: then the connections are the worker's alone again.
func (h *Holding) HandOver(self string, pidfd int, start func(func() (pid int, err error)) error) error {
	if len(h.known) == 0 {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		h.Cancel()
		return fmt.Errorf("cannot start a relay: %w", err)
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(pidfd)}
	for _, c := range h.known {
		files = append(files, uintptr(c.fd))
	}
	err = start(func() (int, error) {
		return syscall.ForkExec(self, []string{"relevo", verbStart, strconv.Itoa(len(h.known))},
			&syscall.ProcAttr{Files: files, Env: relayEnvironment(), Sys: &syscall.SysProcAttr{Setsid: true}})
	})
	if err != nil {
		h.Cancel()
		return fmt.Errorf("cannot start a relay: %w", err)
	}
	for inode, c := range h.known {
		unix.Close(c.fd) // the relay has it
		delete(h.known, inode)
	}
	return nil
}

// relayEnvironment makes a small Go program start quickly and stay small.
func relayEnvironment() []string { return []string{"GOMAXPROCS=1", "GOGC=50", "GOTRACEBACK=none"} }

// Main is the relay. It says false at once where the program was started for anything
// else.
func Main(args []string) (code int, relaying bool) {
	if len(args) != 3 || args[1] != verbStart && args[1] != verbServe {
		return 0, false
	}
	count, err := strconv.Atoi(args[2])
	if err != nil || count < 1 {
		return 2, true
	}
	if args[1] == verbServe {
		serveAll(firstFD, count)
		return 0, true
	}
	files := make([]uintptr, firstFD+1+count)
	for i := range files {
		files[i] = uintptr(i)
	}
	self := "/proc/self/exe"
	if _, err := syscall.ForkExec(self, []string{"relevo", verbServe, args[2]}, &syscall.ProcAttr{Files: files, Env: os.Environ()}); err != nil {
		return 1, true
	}
	return 0, true
}

// serveAll returns when no connection is left.
func serveAll(pidfd, count int) {
	worker := &worker{}
	var all sync.WaitGroup
	for fd := pidfd + 1; fd <= pidfd+count; fd++ {
		unix.CloseOnExec(fd)
		all.Go(func() { serveFD(fd, worker) })
	}
	worker.await(pidfd)
	all.Wait()
}

// worker is the process that has had the connections.
type worker struct{ gone atomic.Bool }

func (w *worker) await(pidfd int) {
	for {
		poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, -1); n > 0 || err != nil && err != unix.EINTR {
			break
		}
	}
	w.gone.Store(true)
}

// glance is the pause between two looks at a connection that the worker still holds:
// nothing tells of what arrives there, for it is to stay unread by the worker.
const glance = 2 * time.Millisecond

// serveFD serves one connection: as soon as the client has sent something, or the
// worker is gone. One whose mode is blocking is left alone as long as the worker lives,
// for the mode is the worker's, too.
func serveFD(fd int, w *worker) {
	for !w.gone.Load() && !hasRequest(fd) {
		time.Sleep(glance)
	}
	if w.gone.Load() {
		release(fd)
	}
	unix.SetNonblock(fd, true)
	file := os.NewFile(uintptr(fd), "connection")
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		return
	}
	client := &patientConn{Conn: conn, worker: w}
	defer client.Close()
	if err := serve(client, func() (net.Conn, error) { return dialFor(conn) }); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
	}
}

// hasRequest says whether there is something to read on a connection of which the mode
// may be relied on.
func hasRequest(fd int) bool {
	if !isNonBlocking(fd) {
		return false
	}
	unread, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	return err == nil && unread > 0
}

// dialFor connects to where the client had connected to, from the client's own address
// where that is one of this host.
func dialFor(client net.Conn) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectPatience}
	dialer.SetMultipathTCP(false)
	if from, ok := client.RemoteAddr().(*net.TCPAddr); ok && isLocal(from.IP) {
		dialer.LocalAddr = &net.TCPAddr{IP: from.IP, Zone: from.Zone}
	}
	return dialer.Dial("tcp", client.LocalAddr().String())
}

// patientConn reads a connection on which the kernel tells of nothing as long as the
// worker lives (SO_RCVLOWAT).
type patientConn struct {
	net.Conn
	worker   *worker
	deadline time.Time
	woken    bool
}

func (c *patientConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetReadDeadline(t)
}

func (c *patientConn) Read(b []byte) (int, error) {
	for !c.worker.gone.Load() {
		soon := time.Now().Add(glance)
		if !c.deadline.IsZero() && c.deadline.Before(soon) {
			soon = c.deadline
		}
		c.Conn.SetReadDeadline(soon)
		n, err := c.Conn.Read(b)
		if timeout, ok := err.(net.Error); n == 0 && ok && timeout.Timeout() && (c.deadline.IsZero() || time.Now().Before(c.deadline)) {
			continue
		}
		return n, err
	}
	if !c.woken {
		c.woken = true
		c.wake()
	}
	return c.Conn.Read(b)
}

// wake lets the kernel tell of data again.
func (c *patientConn) wake() {
	c.Conn.SetReadDeadline(c.deadline)
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { release(int(fd)) })
	}
}

// CloseWrite ends the half that goes to the client.
func (c *patientConn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}
