package listeners_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"

	"relevo/internal/testproc"
)

// strange listens at path as another program would, and leaves the file.
func strange(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	t.Cleanup(func() { listener.Close() })
	return listener
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// setUmask sets the umask of this process until the test ends.
func setUmask(t *testing.T, mask int) {
	t.Helper()
	old := unix.Umask(mask)
	t.Cleanup(func() { unix.Umask(old) })
}

func TestUnix(t *testing.T) {
	path := testproc.SocketPath(t)
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "unix:"+path))
	if err != nil {
		t.Fatal(err)
	}
	if opened[0].Address != path {
		t.Errorf("address %q, want %q", opened[0].Address, path)
	}
	if err := reaches("unix", path); err != nil {
		t.Error(err)
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	if exists(path) {
		t.Error("the socket is left after Close")
	}
}

func TestUnixStale(t *testing.T) {
	path := testproc.SocketPath(t)
	strange(t, path).Close()
	if err := reaches("unix", path); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("the socket is not stale: %v", err)
	}
	listen(t, "unix:"+path)
	if err := reaches("unix", path); err != nil {
		t.Error(err)
	}
}

// A datagram socket that another process has open is left alone. Once it is closed, it is stale like
// any other.
func TestUnixDatagram(t *testing.T) {
	path := testproc.SocketPath(t)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	wantContains(t, refused(t, "unix:"+path), "cannot tell whether the socket there is still used")
	if !exists(path) {
		t.Fatal("the live socket was removed")
	}
	conn.Close()
	if !exists(path) {
		t.Fatal("the socket is not stale but gone: this test proves nothing")
	}
	listen(t, "unix:"+path)
	if err := reaches("unix", path); err != nil {
		t.Error(err)
	}
}

func TestUnixLive(t *testing.T) {
	path := testproc.SocketPath(t)
	live := strange(t, path)
	err := refused(t, "unix:"+path)
	wantContains(t, err, "cannot listen on unix:"+path, "address already in use: a process listens there")
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v is not EADDRINUSE", err)
	}
	if err := reaches("unix", path); err != nil {
		t.Errorf("the live socket after the attempt: %v", err)
	}
	raw, _ := live.SyscallConn()
	raw.Control(func(fd uintptr) { unix.Listen(int(fd), 1) })
	fill(t, path)
	wantContains(t, refused(t, "unix:"+path), "its queue is full")
}

func TestUnixInTheWay(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"symlink":   func(path string) error { return os.Symlink("/nowhere", path) },
		"fifo":      func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := testproc.SocketPath(t)
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			wantContains(t, refused(t, "unix:"+path), "a file that is not a socket is in the way")
			if !exists(path) {
				t.Error("it was removed")
			}
		})
	}
}

func TestUnixMissingDirectory(t *testing.T) {
	dir := filepath.Join(filepath.Dir(testproc.SocketPath(t)), "missing")
	err := refused(t, "unix:"+dir+"/s")
	wantContains(t, err, "cannot listen on unix:"+dir+"/s", "open "+dir+": no such file or directory")
}

// The mode is the configured one, whatever the umask is. Without a configured mode it follows the
// umask.
func TestUnixMode(t *testing.T) {
	for _, test := range []struct {
		umask        int
		option       string
		want, atMost fs.FileMode
	}{
		{0o022, ",mode=0660", 0o660, 0o660},
		{0o777, ",mode=0777", 0o777, 0o777},
		{0o000, ",mode=0600", 0o600, 0o600},
		{0o000, ",mode=0007", 0o007, 0o007},
		{0o027, "", 0o750, 0o777},
		{0o000, "", 0o777, 0o777},
	} {
		t.Run(fmt.Sprintf("%03o%s", test.umask, test.option), func(t *testing.T) {
			path := testproc.SocketPath(t) // a directory made under that umask could not be entered
			setUmask(t, test.umask)
			listen(t, "unix:"+path+test.option)
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != test.want|fs.ModeSocket {
				t.Errorf("mode %s, want %s", info.Mode().Perm(), test.want)
			}
		})
	}
}

// The socket is at no moment more open than configured.
func TestUnixModeFromTheFirst(t *testing.T) {
	setUmask(t, 0)
	path := testproc.SocketPath(t)
	var seen atomic.Uint32 // all mode bits that were ever set
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var stat unix.Stat_t
		for {
			select {
			case <-stop:
				return
			default:
				if unix.Lstat(path, &stat) == nil {
					seen.Or(stat.Mode & 0o777)
				}
			}
		}
	}()
	w := wanted(t, "unix:"+path+",mode=0600")
	for i := 0; i < 500 || seen.Load() == 0; i++ { // on a busy machine the other goroutine starts late
		set, c := newSet(t)
		if _, err := set.Listen(w); err != nil {
			t.Fatal(err)
		}
		set.Close()
		c.close()
	}
	close(stop)
	<-stopped
	if mode := seen.Load(); mode != 0o600 {
		t.Errorf("mode bits seen: %03o, want 600", mode)
	}
}

// A path that another program has taken is left to it.
func TestUnixTakenOver(t *testing.T) {
	path := testproc.SocketPath(t)
	set, _ := newSet(t)
	if _, err := set.Listen(wanted(t, "unix:"+path)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	strange(t, path)
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	if err := reaches("unix", path); err != nil {
		t.Errorf("the other's socket: %v", err)
	}
}

func TestUnixGoneBeforeClose(t *testing.T) {
	for name, what := range map[string]func(path string) string{
		"socket":    func(path string) string { return path },
		"directory": filepath.Dir,
	} {
		t.Run(name, func(t *testing.T) {
			path := testproc.SocketPath(t)
			set, _ := newSet(t)
			if _, err := set.Listen(wanted(t, "unix:"+path)); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(what(path)); err != nil {
				t.Fatal(err)
			}
			if err := set.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Two masters try to take the same stale socket: one gets it, and the other gets an error.
func TestUnixRace(t *testing.T) {
	path := testproc.SocketPath(t)
	masters := []*testproc.Child{testproc.Spawn(t, "race", nil), testproc.Spawn(t, "race", nil)}
	for round := range 200 {
		strange(t, path).Close()
		for _, m := range masters {
			m.Say(path)
		}
		won := 0
		for _, m := range masters {
			switch line := m.Line(); {
			case line == "won":
				won++
			case !strings.HasPrefix(line, "lost: cannot listen on unix:") || !strings.Contains(line, "address already in use"):
				t.Fatalf("round %d: %s", round, line)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d masters have the socket", round, won)
		}
		if err := reaches("unix", path); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, m := range masters {
			m.Say("")
			if line := m.Line(); line != "done" {
				t.Fatal(line)
			}
		}
		if exists(path) {
			t.Fatalf("round %d: the socket is left", round)
		}
	}
}

// A failure after the bind leaves no file behind.
func TestUnixFailureRemovesFile(t *testing.T) {
	path := testproc.SocketPath(t)
	set, _ := newSet(t)
	_, err := set.Listen([]config.Listen{
		{Name: "b", Network: config.Unix, Address: path},
		{Name: "a", Network: config.TCP, Address: "192.0.2.1:0"}, // no address of this machine
	})
	wantContains(t, err, "no interface of this machine has that address")
	if exists(path) {
		t.Error("the socket is left")
	}
}

// TestUnixLingeringClient: a client that was not accepted has sent a descriptor whose close takes an
// hour. The listener's close does not wait for that.
func TestUnixLingeringClient(t *testing.T) {
	path := testproc.SocketPath(t)
	set, _ := newSet(t)
	if _, err := set.Listen(wanted(t, "unix:"+path)); err != nil {
		t.Fatal(err)
	}
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	sent, err := net.Dial("tcp", deaf.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := deaf.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	defer peer.(*net.TCPConn).SetLinger(0) // ends the close that lingers
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sent.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 3600})
		for buffer := make([]byte, 1<<20); ; {
			if _, err := unix.Write(int(fd), buffer); err != nil {
				break
			}
		}
		_, _, err = client.(*net.UnixConn).WriteMsgUnix([]byte("x"), unix.UnixRights(int(fd)), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	sent.Close() // now only the listener's queue has the descriptor
	client.Close()
	closed := make(chan error, 1)
	go func() { closed <- set.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(tooLong):
		t.Error("Close waits for the client's descriptor")
	}
}
