package systemd_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/systemd"
)

// nextWithFiles returns the next message and the descriptors that came with it,
// which are the caller's.
func (m *manager) nextWithFiles() (message string, fds []int) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(tooLong)); err != nil {
		m.t.Fatal(err)
	}
	data, oob := make([]byte, 4096), make([]byte, 4096)
	n, oobn, _, _, err := m.conn.ReadMsgUnix(data, oob)
	if err != nil {
		m.t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		m.t.Fatal(err)
	}
	for _, control := range messages {
		got, err := unix.ParseUnixRights(&control)
		if err != nil {
			m.t.Fatal(err)
		}
		fds = append(fds, got...)
	}
	return string(data[:n]), fds
}

// look returns what fstat(2) and F_GETFL say of a file, without touching it.
func look(t *testing.T, file syscall.Conn) (stat unix.Stat_t, flags int) {
	t.Helper()
	raw, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if err := unix.Fstat(int(fd), &stat); err != nil {
			t.Error(err)
		}
		flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	return stat, flags
}

// listenerFile is a listening socket as the master holds it: non-blocking and not
// in the runtime's poller.
func listenerFile(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	t.Cleanup(func() { file.Close() })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 5),
		unix.SetNonblock(fd, true)); err != nil {
		t.Fatal(err)
	}
	return file
}

// A stored file is the same open file, and stays in the mode and in the poller, or
// out of it, as it was: others have it, too.
func TestStore(t *testing.T) {
	m := newManager(t, socketPath(t))
	n := notifier(t)
	polled, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer polled.Close()
	defer end.Close()
	for _, test := range []struct {
		name   string
		file   *os.File
		polled bool
	}{
		{"listener web", listenerFile(t), false},
		{"output 3", polled, true},
		{strings.Repeat("x", 255), os.Stdin, false},
	} {
		stat, flags := look(t, test.file)
		if err := n.Store(test.name, test.file); err != nil {
			t.Fatal(err)
		}
		message, fds := m.nextWithFiles()
		if want := "FDSTORE=1\nFDNAME=" + test.name + "\nFDPOLL=0"; message != want || len(fds) != 1 {
			t.Fatalf("message %q with descriptors %v, want %q with one", message, fds, want)
		}
		var sent unix.Stat_t
		if err := unix.Fstat(fds[0], &sent); err != nil || sent.Ino != stat.Ino || sent.Dev != stat.Dev {
			t.Errorf("%s: another file came: %+v, %v", test.name, sent, err)
		}
		unix.Close(fds[0])
		if _, after := look(t, test.file); after != flags {
			t.Errorf("%s: flags %o became %o", test.name, flags, after)
		}
		if test.file == os.Stdin {
			continue
		}
		// Only what is polled can have a deadline.
		if err := test.file.SetReadDeadline(time.Time{}); (err == nil) != test.polled {
			t.Errorf("%s: a deadline: %v", test.name, err)
		}
	}
	m.silent()
}

func TestFDNames(t *testing.T) {
	m := newManager(t, socketPath(t))
	var failures []error
	n := systemd.NewNotifier(os.Getenv, func(err error) { failures = append(failures, err) })
	bad := []string{"", "a:b", "a\nREADY=1", "ä", "a\x00", "\x7f", strings.Repeat("x", 256)}
	for _, name := range bad {
		if err := n.Store(name, os.Stdin); err == nil || !strings.HasPrefix(err.Error(), "cannot use ") {
			t.Errorf("stored under %q: %v", name, err)
		}
		n.Discard(name)
	}
	if len(failures) != len(bad) {
		t.Errorf("%d names discarded, want none", len(bad)-len(failures))
	}
	m.silent()
}

// Barrier returns when the manager has come to the message, and not before.
func TestBarrier(t *testing.T) {
	m := newManager(t, socketPath(t))
	n := notifier(t)
	n.MainPID(1)
	answered := make(chan error, 1)
	go func() { answered <- n.Barrier(t.Context()) }()
	if got := m.next(); got != "MAINPID=1" {
		t.Fatalf("message %q", got)
	}
	message, fds := m.nextWithFiles()
	if message != "BARRIER=1" || len(fds) != 1 {
		t.Fatalf("message %q with descriptors %v", message, fds)
	}
	select {
	case err := <-answered:
		t.Fatalf("the barrier fell before the manager answered: %v", err)
	default:
	}
	unix.Close(fds[0])
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// A manager that never answers is not waited for beyond the context.
func TestBarrierWithoutAnswer(t *testing.T) {
	newManager(t, socketPath(t))
	n := notifier(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := n.Barrier(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want deadline exceeded", err)
	}
}

// fill sends until the manager's queue is full.
func (m *manager) fill() {
	m.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer unix.Close(fd)
	for {
		err := unix.Sendto(fd, []byte("X_FILL=1"), 0, &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")})
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// A manager that does not read holds nothing up for long: a sign of life not at
// all, another message until there is room, and for a second at most.
func TestQueueFull(t *testing.T) {
	m := newManager(t, socketPath(t))
	var failures []error
	n := systemd.NewNotifier(os.Getenv, func(err error) { failures = append(failures, err) })
	m.fill()
	for range 1000 {
		n.Alive() // would take 1000 s if it waited
	}
	if len(failures) > 0 {
		t.Errorf("failures: %v", failures)
	}
	n.Status("lost")
	if len(failures) != 1 || !errors.Is(failures[0], unix.EAGAIN) {
		t.Errorf("failures: %v, want one of a full queue", failures)
	}
	sent := make(chan bool)
	go func() { n.Status("kept"); close(sent) }()
	for m.next() != "STATUS=kept" {
	}
	<-sent
	if len(failures) != 1 {
		t.Errorf("failures: %v", failures)
	}
}

func TestConcurrentUse(t *testing.T) {
	m := newManager(t, socketPath(t))
	n := notifier(t)
	file := listenerFile(t)
	var senders sync.WaitGroup
	const each = 20
	for range 4 {
		senders.Go(func() {
			for range each {
				n.Status("a")
				if err := n.Store("f", file); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]int{}
	for range 4 * each * 2 {
		message, fds := m.nextWithFiles()
		seen[message]++
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	senders.Wait()
	if seen["STATUS=a"] != 4*each || seen["FDSTORE=1\nFDNAME=f\nFDPOLL=0"] != 4*each {
		t.Errorf("messages: %v", seen)
	}
}

// What has no descriptor any more is an error and not another file.
func TestStoreClosed(t *testing.T) {
	m := newManager(t, socketPath(t))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	file.Close()
	if err := notifier(t).Store("f", file); err == nil {
		t.Error("a closed file was stored")
	}
	m.silent()
}
