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

// Verbs are first arguments that make the relevo binary a relay: the first starts the
// second and ends, so that no process has to wait for a relay, whatever happens to the
// master.
const (
	verbStart = "__relay"
	verbServe = "__relay-serve"
)

// relayPatience is for how long a relay may take to begin.
const relayPatience = 2 * time.Second

// Words of a relay to its master, a byte each.
const (
	wordBegun = 'b' // it has all connections
	wordCut   = 'c' // one of them was cut: what came was not HTTP/1
)

// firstFD is the worker's pidfd; the connections follow.
const firstFD = 3

// HandOver starts a relay for the connections that are idle, by the program self. start
// runs a function that makes a child of this process, which ends at once. The worker,
// whose pidfd is given, may live on. After an error the connections are the worker's alone
// again.
//
// A thread that waits in a read when its process is killed takes what is in the socket
// with it. Where there may be one, HandOver returns when the relay has taken out what
// is there; and nothing comes after that, where the kernel lets the master drop it.
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
	Connections []uint64 // that it was given, by inode
	words       *os.File
}

// Cuts waits for the relay's end, or that of ctx, and calls cut for each connection that
// it has cut.
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

// give lets go of connections that a relay has, and says whether a read of one may wait
// in the worker.
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

// awaitBeginning waits for the relay's first word, or for its end.
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

// worker is the process that has had the connections.
type worker struct {
	gone   atomic.Bool
	began  time.Time
	glance time.Duration // between two looks at a connection that the worker still has
}

// newWorker bounds what the looks at all connections cost: nothing tells of what arrives
// there, for it is to stay unread by the worker.
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
