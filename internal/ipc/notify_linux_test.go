package ipc

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testleft"
	"relevo/internal/testreq"
)

// roles are the child processes of these tests.
var roles = map[string]func() error{
	"notify": notifyRole,
}

// notifyRole sends what its arguments say and then stays until stdin ends.
func notifyRole() error {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(os.Getenv("SAY"))); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type datagram struct {
	from Sender
	said Notification
}

// board is a NotifyServer that serves, and what it has received.
type board struct {
	*NotifyServer
	path     string
	received chan datagram
	served   chan error
}

// newBoard serves with deliver between the socket and received.
func newBoard(t *testing.T, deliver func(Sender, Notification)) *board {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	s, err := ListenNotify(path)
	if err != nil {
		t.Fatal(err)
	}
	return serveBoard(t, s, path, deliver)
}

func serveBoard(t *testing.T, s *NotifyServer, path string, deliver func(Sender, Notification)) *board {
	t.Helper()
	b := &board{NotifyServer: s, path: path, received: make(chan datagram, 1000), served: make(chan error, 1)}
	go func() {
		b.served <- s.Serve(func(from Sender, said Notification) {
			if deliver != nil {
				deliver(from, said)
			}
			b.received <- datagram{from, said}
		})
	}()
	t.Cleanup(func() {
		s.Close()
		if err := receive(t, b.served, "the end of Serve"); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return b
}

// send sends a datagram from a socket of its own; package net sends no
// descriptors over a connected one.
func (b *board) send(t *testing.T, text string, fds ...int) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(socket, []byte(text), rights, &unix.SockaddrUnix{Name: b.path}, 0); err != nil {
		t.Fatal(err)
	}
}

func TestNotifySender(t *testing.T) {
	b := newBoard(t, nil)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), roleEnv+"=notify", "NOTIFY_SOCKET="+b.path, "SAY=READY=1\nMAINPID=1",
		"GORACE=atexit_sleep_ms=0")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	got := receive(t, b.received, "the child's word")
	if want := (Sender{PID: child.Process.Pid, UID: os.Getuid()}); got.from != want || got.said["READY"] != "1" {
		t.Errorf("got %+v, want it from %+v", got, want)
	}
	stdin.Close()
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
	b.send(t, "READY=1")
	if got := receive(t, b.received, "my own word"); got.from.PID != os.Getpid() {
		t.Errorf("got %+v, want it from %d", got, os.Getpid())
	}
}

// TestNotifyBarrier: the sender's descriptor is closed no sooner than deliver
// has returned.
func TestNotifyBarrier(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	mine := make(chan struct{}) // closed when the test's own copy is closed
	b := newBoard(t, func(_ Sender, said Notification) {
		if said["BARRIER"] != "1" {
			return
		}
		<-mine
		poll := []unix.PollFd{{Fd: int32(r.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, 0); n != 0 || err != nil {
			t.Errorf("the barrier is down before the word is delivered: %d, %v", n, err)
		}
	})
	b.send(t, "READY=1")
	b.send(t, "BARRIER=1", int(w.Fd()))
	w.Close()
	close(mine)
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v, want the end", n, err)
	}
	if first := receive(t, b.received, "READY"); first.said["READY"] != "1" {
		t.Errorf("the barrier overtook %v", first)
	}
	receive(t, b.received, "BARRIER")
}

func TestNotifyClosesDescriptors(t *testing.T) {
	b := newBoard(t, nil)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	send := func(text string, n int) {
		fds := make([]int, n)
		for i := range fds {
			fds[i] = fd
		}
		b.send(t, text, fds...)
		receive(t, b.received, text)
	}
	before := testleft.OpenFiles()
	for range 100 {
		send("FDSTORE=1", 3)
		send("garbage", 1)
	}
	send("FDSTORE=1", 253) // SCM_MAX_FD
	await(t, func() string {
		if after := testleft.OpenFiles(); len(after) > len(before) {
			return fmt.Sprintf("%d descriptors before, %d after: %q", len(before), len(after), after)
		}
		return ""
	})
}

func TestNotifyGarbage(t *testing.T) {
	b := newBoard(t, nil)
	for _, text := range []string{"", "\x00\xff\xfe", "=", "READY", strings.Repeat("\n", 5000)} {
		b.send(t, text)
		if got := receive(t, b.received, "garbage"); len(got.said) != 0 || got.from.PID != os.Getpid() {
			t.Errorf("%q arrived as %+v", text, got)
		}
	}
	b.send(t, "READY=1")
	if got := receive(t, b.received, "READY"); got.said["READY"] != "1" {
		t.Errorf("got %+v", got)
	}
}

// TestNotifyTooLong: of a datagram longer than the buffer the whole assignments
// count.
func TestNotifyTooLong(t *testing.T) {
	b := newBoard(t, nil)
	b.send(t, "READY=1\nSTATUS="+strings.Repeat("x", 20_000)+"\nSTOPPING=1")
	if got := receive(t, b.received, "the long one"); len(got.said) != 1 || got.said["READY"] != "1" {
		t.Errorf("%d assignments of the long datagram count, READY is %q", len(got.said), got.said["READY"])
	}
	b.send(t, strings.Repeat("x", 20_000))
	if got := receive(t, b.received, "the long line"); len(got.said) != 0 {
		t.Errorf("got %d assignments of a line without one", len(got.said))
	}
}

func TestNotifyReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	dead, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("this test needs a stale socket: %v", err)
	}
	s, err := ListenNotify(path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(func(Sender, Notification) {}) }()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := receive(t, served, "the end of Serve"); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("Close leaves the socket: %v", err)
	}
	s.Close() // a second time does no harm
}

func TestListenNotifyErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "full", "of"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "full"):                   "cannot replace the notify socket: ",
		filepath.Join(dir, "absent", "notify"):       "cannot listen for the workers' notifications: ",
		filepath.Join(dir, strings.Repeat("x", 120)): "cannot listen for the workers' notifications: ",
	} {
		s, err := ListenNotify(path)
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", path)
		} else if !strings.HasPrefix(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %q, want %q and the path", err, says)
		}
	}
}

// TestSystemdNotify: the program itself, which waits behind a barrier of its own.
func TestSystemdNotify(t *testing.T) {
	program := testreq.Program(t, "systemd-notify")
	b := newBoard(t, nil)
	cmd := exec.Command(program, "--ready", "--status=it serves", "--pid="+fmt.Sprint(os.Getpid()))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+b.path)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	got := receive(t, b.received, "systemd-notify's word")
	if got.said["READY"] != "1" || got.said["STATUS"] != "it serves" {
		t.Errorf("got %+v", got)
	}
	// Of a privileged sender the kernel believes that it speaks for another.
	if pid := got.from.PID; pid != os.Getpid() && pid != cmd.Process.Pid {
		t.Errorf("it came from %d, want %d or %d", pid, cmd.Process.Pid, os.Getpid())
	}
}
