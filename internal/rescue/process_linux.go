package rescue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The verbs are first arguments that make the relevo binary a relay. The process of the first
// one starts the second and ends, so that the relay is not a child of the master: no process
// has to reap it.
const (
	verbStart = "__relay"
	verbServe = "__relay-serve"
)

// relayPatience is how long a relay may take to begin.
const relayPatience = 2 * time.Second

// The messages of a relay to its master, a byte each.
const (
	wordBegun = 'b' // it has all connections
	wordCut   = 'c' // it has cut a connection, because what came was not HTTP/1
)

// firstFD is the worker's pidfd; the connections follow.
const firstFD = 3

// HandOver starts the program self as a relay for the idle connections. start runs a
// function that makes a child of this process, which ends at once. pidfd is the worker's;
// the worker may live on. After an error only the worker has the connections.
//
// A thread that waits in a read when its process is killed takes the data of the socket with
// it. If there may be such a thread, HandOver returns after the relay has read what is in the
// socket. What comes later is dropped, if the kernel allows that, and the client sends it
// again.
func (h *Holding) HandOver(ctx context.Context, self string, pidfd int,
	start func(func() (pid int, err error)) error) (*Relay, error) {
	var inodes []uint64
	for inode, c := range h.known {
		if c.idle {
			inodes = append(inodes, inode)
		}
	}
	if len(inodes) == 0 {
		return nil, nil
	}
	words, err := h.startRelay(self, pidfd, inodes, start)
	if err != nil {
		h.Cancel()
		return nil, fmt.Errorf("cannot start a relay: %w", err)
	}
	relay := &Relay{Connections: inodes, words: words}
	if h.give(inodes) {
		relay.awaitBeginning(ctx)
	}
	return relay, nil
}

// Relay is a relay that was started.
type Relay struct {
	Connections []uint64 // the connections that it got, by inode
	words       *os.File
}

// Cuts calls cut for each connection that the relay cuts. It returns at the relay's end, or
// when ctx ends.
func (r *Relay) Cuts(ctx context.Context, cut func()) {
	defer r.words.Close()
	defer context.AfterFunc(ctx, func() { r.words.SetReadDeadline(time.Now()) })()
	for word := make([]byte, 1); ; {
		n, err := r.words.Read(word)
		if err != nil {
			return
		}
		if n == 1 && word[0] == wordCut {
			cut()
		}
	}
}

func (h *Holding) startRelay(self string, pidfd int, inodes []uint64,
	start func(func() (pid int, err error)) error) (words *os.File, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	words, says, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer says.Close()
	files := []uintptr{null.Fd(), says.Fd(), null.Fd(), uintptr(pidfd)}
	for _, inode := range inodes {
		files = append(files, uintptr(h.known[inode].fd))
	}
	err = start(func() (int, error) {
		return syscall.ForkExec(self, []string{"relevo", verbStart, strconv.Itoa(len(inodes))},
			&syscall.ProcAttr{Files: files, Env: relayEnvironment(), Sys: &syscall.SysProcAttr{Setsid: true}})
	})
	if err != nil {
		words.Close()
		return nil, err
	}
	return words, nil
}

// give closes this process's copies of connections that a relay has. It says whether a
// thread of the worker may wait in a read of one of them.
func (h *Holding) give(inodes []uint64) (blocking bool) {
	for _, inode := range inodes {
		c := h.known[inode]
		if !isNonBlocking(c.fd) {
			blocking = true
			dropData(c.fd)
		}
		unix.Close(c.fd)
		delete(h.known, inode)
		h.given[inode] = true
	}
	return blocking
}

// awaitBeginning waits for the relay's first message, or for its end.
func (r *Relay) awaitBeginning(ctx context.Context) {
	r.words.SetReadDeadline(time.Now().Add(relayPatience))
	end := context.AfterFunc(ctx, func() { r.words.SetReadDeadline(time.Now()) })
	r.words.Read(make([]byte, 1))
	if end() {
		r.words.SetReadDeadline(time.Time{})
	}
}

// relayEnvironment makes a small Go program start quickly and stay small.
func relayEnvironment() []string { return []string{"GOMAXPROCS=1", "GOGC=50", "GOTRACEBACK=none"} }

// Main is the relay. It returns false at once if the program was not started as a relay.
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
	if _, err := syscall.ForkExec(self, []string{"relevo", verbServe, args[2]},
		&syscall.ProcAttr{Files: files, Env: os.Environ()}); err != nil {
		return 1, true
	}
	return 0, true
}

// serveAll returns when no connection is left.
func serveAll(pidfd, count int) {
	signal.Ignore(syscall.SIGPIPE) // the master may be gone
	worker := newWorker(count)
	var all, begun sync.WaitGroup
	begun.Add(count)
	for fd := pidfd + 1; fd <= pidfd+count; fd++ {
		unix.CloseOnExec(fd)
		all.Go(func() {
			client := newSharedConn(fd, worker)
			begun.Done()
			err := serve(client, func() (net.Conn, error) { return dialFor(client) })
			if errors.Is(err, errForeign) {
				os.Stdout.Write([]byte{wordCut})
			}
		})
	}
	begun.Wait()
	os.Stdout.Write([]byte{wordBegun})
	go worker.await(pidfd)
	all.Wait()
}

// worker is the process that had the connections before the relay.
type worker struct {
	gone   atomic.Bool
	began  time.Time
	glance time.Duration // pause between two looks at a connection that the worker still has
}

// newWorker chooses the pause so that looks at all connections cost little. The relay has to
// poll: the kernel reports no arrival on them, because it must not wake the worker.
func newWorker(connections int) *worker {
	return &worker{began: time.Now(), glance: time.Millisecond * time.Duration(1+connections/50)}
}

func (w *worker) await(pidfd int) {
	for {
		poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, -1); n > 0 || err != nil && err != unix.EINTR {
			break
		}
	}
	w.gone.Store(true)
}

// dialFor connects to the address that the client had connected to. It connects from the
// client's own address if that belongs to this host.
func dialFor(client net.Conn) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectPatience}
	dialer.SetMultipathTCP(false)
	if from, ok := client.RemoteAddr().(*net.TCPAddr); ok && isLocal(from.IP) {
		dialer.LocalAddr = &net.TCPAddr{IP: from.IP, Zone: from.Zone}
	}
	return dialer.Dial("tcp", client.LocalAddr().String())
}
