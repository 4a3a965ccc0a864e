package ipc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// await looks again and again until there is nothing wrong any more.
func await(t *testing.T, wrong func() string) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); ; time.Sleep(5 * time.Millisecond) {
		why := wrong()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(why)
		}
	}
}

// TestCloserPerSender: descriptors that do not close hold up only their own sender,
// which is reported once; too many of them are refused until they are closed.
func TestCloserPerSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var accepted []bool
		var slow []Sender
		closed, open := make(chan int, 1000), make(chan struct{})
		c := newCloser(func(accept bool) error { accepted = append(accepted, accept); return nil })
		c.slow = func(s Sender) { slow = append(slow, s) }
		c.close = func(fd int) {
			if fd < 1000 {
				<-open
			}
			closed <- fd
		}
		hostile, calm := Sender{PID: 1}, Sender{PID: 2}
		c.take(hostile, []int{1, 2})
		c.take(calm, []int{1000, 1001})
		synctest.Wait()
		if first, second := <-closed, <-closed; first != 1000 || second != 1001 {
			t.Errorf("closed %d and %d of the calm sender", first, second)
		}
		time.Sleep(2 * slowClose)
		for range 10 {
			c.take(hostile, []int{3})
			c.take(calm, []int{1002})
		}
		if !slices.Equal(slow, []Sender{hostile}) {
			t.Errorf("reported %v, want the hostile sender once", slow)
		}
		c.take(hostile, make([]int, maxUnclosed))
		if !slices.Equal(accepted, []bool{false}) || c.full() {
			t.Errorf("with too many waiting: accept %v, full %v", accepted, c.full())
		}
		close(open)
		synctest.Wait()
		if !slices.Equal(accepted, []bool{false, true}) || c.waiting != 0 || len(c.bySender) != 0 {
			t.Errorf("at the end: accept %v, %d waiting, %d senders", accepted, c.waiting, len(c.bySender))
		}
	})
}

// A kernel that cannot refuse descriptors is given no room for more of them.
func TestCloserWithoutRefusal(t *testing.T) {
	open := make(chan struct{})
	c := newCloser(func(bool) error { return unix.ENOPROTOOPT })
	c.close = func(int) { <-open }
	if c.full() {
		t.Error("full from the beginning")
	}
	c.take(Sender{PID: 1}, make([]int, maxUnclosed))
	if !c.full() {
		t.Error("not full")
	}
	close(open)
	await(t, func() string {
		if c.full() {
			return "full forever"
		}
		return ""
	})
}

// lingering returns the last descriptor of a TCP connection whose close waits an hour
// for a peer that does not read. It belongs to the caller; undo ends the connection.
func lingering(t *testing.T) (fd int, undo func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(own uintptr) {
		unix.SetsockoptLinger(int(own), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 3600})
		for buffer := make([]byte, 1<<20); ; {
			if _, err := unix.Write(int(own), buffer); err != nil {
				break
			}
		}
		if fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
	})
	conn.Close()
	return fd, func() { peer.(*net.TCPConn).SetLinger(0); peer.Close() }
}

// TestNotifyLingeringDescriptor: the close of what a worker sends waits an hour, the
// words of the others do not.
func TestNotifyLingeringDescriptor(t *testing.T) {
	b := newBoard(t, nil)
	fd, undo := lingering(t)
	defer undo()
	b.send(t, "STATUS=lingering", fd)
	unix.Close(fd)
	receive(t, b.received, "the descriptor")
	b.send(t, "READY=1")
	receive(t, b.received, "the next word")
	await(t, func() string {
		b.descriptors.mu.Lock()
		defer b.descriptors.mu.Unlock()
		if n := b.descriptors.waiting; n > 0 {
			return fmt.Sprintf("%d descriptors are not closed", n)
		}
		return ""
	})
}

// The same with a close that cannot be helped: it does not hold up the loop.
func TestNotifySlowClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	s, err := ListenNotify(path)
	if err != nil {
		t.Fatal(err)
	}
	open, closing := make(chan struct{}), make(chan struct{}, 1)
	s.descriptors.close = func(fd int) { closing <- struct{}{}; <-open; unix.Close(fd) }
	b := serveBoard(t, s, path, nil)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	b.send(t, "STATUS=slow", int(null.Fd()))
	receive(t, closing, "the close")
	b.send(t, "READY=1")
	for said := (datagram{}); said.said["READY"] != "1"; {
		said = receive(t, b.received, "the next word")
	}
	close(open)
}

// TestNotifyCloseWithDescriptorsUnread: the close of the socket does not wait for the
// close of what lies in it.
func TestNotifyCloseWithDescriptorsUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	s, err := ListenNotify(path)
	if err != nil {
		t.Fatal(err)
	}
	fd, undo := lingering(t)
	defer undo()
	(&board{NotifyServer: s, path: path}).send(t, "STATUS=lingering", fd)
	unix.Close(fd)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	if err := receive(t, closed, "the end of Close"); err != nil {
		t.Error(err)
	}
}

// slowSocket is a connection whose read and close take until it is told to end.
type slowSocket struct {
	net.Conn
	slowRead, slowClose bool
	end                 chan struct{}
}

func (s *slowSocket) Read(b []byte) (int, error) {
	if s.slowRead {
		<-s.end
	}
	return s.Conn.Read(b)
}

func (s *slowSocket) Close() error {
	if s.slowClose {
		<-s.end
	}
	return s.Conn.Close()
}

// TestChannelSlowClose: a connection that does not close holds up neither Close nor
// who wants to send.
func TestChannelSlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		conn := &slowSocket{Conn: ours, slowClose: true, end: make(chan struct{})}
		c := NewChannel(conn, Rest{}, func(Message) {}, func(error) {}, func(Flood) {})
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		synctest.Wait()
		began := time.Now()
		if err := c.Send(Ping{}); !errors.Is(err, ErrClosed) || time.Since(began) > 0 {
			t.Errorf("Send: %v after %v", err, time.Since(began))
		}
		if err := <-closed; err == nil || time.Since(began) > closePatience {
			t.Errorf("Close: %v after %v", err, time.Since(began))
		}
		close(conn.end)
		theirs.Close()
		c.Wait()
	})
}

// TestDetachSlowRead: a read that hangs in the kernel holds up no succession.
func TestDetachSlowRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		conn := &slowSocket{Conn: ours, slowRead: true, end: make(chan struct{})}
		c := NewChannel(conn, Rest{}, func(Message) {}, func(error) {}, func(Flood) {})
		began := time.Now()
		if _, err := c.Detach(); err == nil || time.Since(began) > closePatience {
			t.Errorf("Detach: %v after %v", err, time.Since(began))
		}
		close(conn.end)
		theirs.Close()
		c.Wait()
	})
}

// TestChannelRefusesDescriptors: where the kernel can refuse them, none comes in.
func TestChannelRefusesDescriptors(t *testing.T) {
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer worker.Close()
	value := -1
	raw, _ := master.SyscallConn()
	raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, soPassRights) })
	sent := unix.Sendmsg(int(worker.Fd()), []byte("1\n"), unix.UnixRights(0), nil, 0)
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		if sent != nil {
			t.Errorf("an older kernel: %v", sent)
		}
	case err != nil || value != 0 || !errors.Is(sent, syscall.EPERM):
		t.Errorf("SO_PASSRIGHTS is %d, %v; sent: %v", value, err, sent)
	}
	if _, err := worker.Write([]byte("2\n")); err != nil {
		t.Error(err)
	}
	if n, err := io.ReadAtLeast(master, make([]byte, 4), 2); n < 2 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}
