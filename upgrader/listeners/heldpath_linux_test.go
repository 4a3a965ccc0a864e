package listeners_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testproc"
	"relevo/internal/testreq"
	"relevo/upgrader/listeners"
)

// bound is a Unix socket that a program of worker 1 has bound to path.
func bound(t *testing.T, set *listeners.Set, path string) *listeners.Listener {
	t.Helper()
	p := listeners.Program{Worker: "1", NonBlocking: true}
	l, err := set.Add(config.Listen{Name: "web", Network: config.Unix, Address: path, Mode: 0o750}, p)
	if err == nil {
		_, err = set.Lend(l, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lendTo gives the socket to a program of another worker.
func lendTo(t *testing.T, set *listeners.Set, l *listeners.Listener, worker string) {
	t.Helper()
	if lost, err := set.Lend(l, listeners.Program{Worker: worker}); err != nil || len(lost) > 0 {
		t.Fatal(lost, err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func awaitReachable(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); reaches("unix", path) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not restored: %v", path, reaches("unix", path))
		}
	}
}

// TestPathOutlivesPrograms: programs remove the path before they bind and when they end. Clients
// find the socket all the same, as long as several workers serve there.
func TestPathOutlivesPrograms(t *testing.T) {
	path := testproc.SocketPath(t)
	set, _ := newSet(t)
	l := bound(t, set, path)
	if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o750 {
		t.Errorf("%v, %v; want the mode that the program has set", info, err)
	}
	remove(t, path)
	set.Inspect()
	if exists(path) {
		t.Error("the path of a socket that only one worker has is kept; that is up to its program")
	}
	lendTo(t, set, l, "2")
	if err := reaches("unix", path); err != nil {
		t.Errorf("after the second program has bound it: %v", err)
	}
	for range 500 { // in some rounds the bind is noticed before the path is gone
		remove(t, path)
		awaitReachable(t, path)
	}
	if set.Retire(l) != nil || exists(path) {
		t.Error("a retired socket has its path")
	}
	if err := set.Restore(l); err != nil || reaches("unix", path) != nil {
		t.Errorf("restored: %v, %v", err, reaches("unix", path))
	}
	if set.Close() != nil || exists(path) || exists(path+"~held") {
		t.Error("files are left after Close")
	}
}

// TestPathOfAnother: a file at the path makes a program's bind fail, as it does without relevo.
func TestPathOfAnother(t *testing.T) {
	path := testproc.SocketPath(t)
	strange(t, path).Close()
	set, _ := newSet(t)
	w := config.Listen{Name: "web", Network: config.Unix, Address: path}
	if _, err := set.Add(w, listeners.Program{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
	if !exists(path) {
		t.Error("the file is gone")
	}
	remove(t, path)
	strange(t, path+"~held").Close() // left by a killed master
	l := bound(t, set, path)
	remove(t, path)
	strange(t, path)
	if _, err := set.Lend(l, listeners.Program{Worker: "2"}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a path that another program has taken: %v", err)
	}
}

// TestBindAsUser: the master makes no file for a program that the program's user could not make.
func TestBindAsUser(t *testing.T) {
	testreq.Root(t)
	path := testproc.SocketPath(t)
	dir := filepath.Dir(path)
	user := &listeners.User{UID: 54321, GID: 54322, Groups: []int{54323}}
	set, _ := newSet(t)
	w := config.Listen{Name: "web", Network: config.UnixPacket, Address: path, Mode: 0o777}
	if _, err := set.Add(w, listeners.Program{User: user}); !errors.Is(err, syscall.EACCES) || exists(path) {
		t.Errorf("in root's directory: %v", err)
	}
	for _, open := range []func() error{
		func() error { return errors.Join(os.Chown(dir, 0, 54323), os.Chmod(dir, 0o770)) }, // by its other group
		func() error { return os.Chown(dir, user.UID, 0) },
	} {
		if err := open(); err != nil {
			t.Fatal(err)
		}
		l, err := set.Add(w, listeners.Program{User: user})
		if err != nil {
			t.Fatal(err)
		}
		var stat unix.Stat_t
		if err := unix.Stat(path, &stat); err != nil || stat.Uid != 54321 || stat.Gid != 54322 || stat.Mode&0o777 != 0o777 {
			t.Errorf("%+v, %v", stat, err)
		}
		if set.Apply(nil); set.CloseListener(l) != nil || exists(path) || exists(path+"~held") {
			t.Error("files are left")
		}
	}
	if f, err := os.Create(filepath.Join(t.TempDir(), "mine")); err != nil {
		t.Errorf("this process has not got its own user back: %v", err)
	} else {
		f.Close()
	}
}

// TestHeldPathIsPassedOn: the next master keeps restoring the path.
func TestHeldPathIsPassedOn(t *testing.T) {
	path := testproc.SocketPath(t)
	set, _ := newSet(t)
	lendTo(t, set, bound(t, set, path), "2")
	all, files := set.Legacy()
	heir, err := listeners.TakeOver(listeners.Options{}, all, copies(files))
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	listeners.EndPathWatch(set)
	remove(t, path)
	heir.Begin()
	awaitReachable(t, path)
	remove(t, path)
	awaitReachable(t, path)
}

// TestShutDownByProgram: a socket that a program shut down is made again at the same path and with
// the same mode. As before, it outlives its path.
func TestShutDownByProgram(t *testing.T) {
	path := testproc.SocketPath(t)
	set, _ := newSet(t)
	healed := make(chan listeners.Healed, 10)
	set.OnHealed(func(h listeners.Healed) { healed <- h })
	l := bound(t, set, path)
	lendTo(t, set, l, "2")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Shutdown(int(l.File().Fd()), unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if h := <-healed; !h.Renewed || h.Err != nil {
		t.Errorf("%+v", h)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	flags, err := unix.FcntlInt(l.File().Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v: it blocks now", flags, err)
	}
	remove(t, path)
	awaitReachable(t, path)
}

// TestConfiguredPathIsBound: a program that removes the path of a listener and binds it gets the
// listener, and no other worker loses its socket.
func TestConfiguredPathIsBound(t *testing.T) {
	for _, first := range []bool{true, false} {
		path := testproc.SocketPath(t)
		set, _ := newSet(t)
		var renewed atomic.Int32
		set.OnHealed(func(listeners.Healed) { renewed.Add(1) })
		opened, err := set.Listen(wanted(t, "unix:"+path+",mode=0640"))
		if err != nil {
			t.Fatal(err)
		}
		remove(t, path)
		for _, worker := range []string{"1", "2"} {
			if _, err := set.Lend(opened[0], listeners.Program{Worker: worker, First: first}); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o640 || reaches("unix", path) != nil {
				t.Errorf("%v, %v, %v", info, err, reaches("unix", path))
			}
			remove(t, path)
			awaitReachable(t, path)
		}
		if want := map[bool]int32{true: 0, false: 1}[first]; renewed.Load() != want {
			t.Errorf("first %v: workers are replaced %d times, want %d", first, renewed.Load(), want)
		}
	}
}

// TestModeOfProgram: whether a socket blocks is up to the programs that have it.
func TestModeOfProgram(t *testing.T) {
	set, _ := newSet(t)
	for address, blocks := range map[string]bool{"127.0.0.1:0": true, "127.0.0.2:0": false} {
		w := config.Listen{Name: "echo", Network: config.UDP4, Address: address}
		l, err := set.Add(w, listeners.Program{NonBlocking: !blocks})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			flags, err := unix.FcntlInt(l.File().Fd(), unix.F_GETFL, 0)
			if err != nil || flags&unix.O_NONBLOCK == 0 != blocks {
				t.Errorf("flags %#x, %v; want blocking %v", flags, err, blocks)
			}
			blocks = !blocks
			unix.SetNonblock(int(l.File().Fd()), !blocks) // the program does
			if found := set.Inspect(); len(found) > 0 {
				t.Errorf("reported as damage: %+v", found)
			}
		}
	}
}

// TestBesideOwn: a program binds another address on a port of this app, as a new release does that
// no longer serves localhost only. It cannot do so on a port of another program.
func TestBesideOwn(t *testing.T) {
	set := listeners.New(listeners.Options{Siblings: true})
	defer set.Close()
	first, err := set.Add(config.Listen{Name: "first", Network: config.TCP4, Address: "127.0.0.1:0"}, listeners.Program{})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(first.Address)
	all := config.Listen{Name: "second", Network: config.TCP4, Address: "0.0.0.0:" + port}
	shares := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { // it would even share the port
		return raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	stranger, err := shares.Listen(t.Context(), "tcp4", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Add(all, listeners.Program{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("beside another program's socket: %v", err)
	}
	stranger.Close()
	if _, err := set.Add(all, listeners.Program{}); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"127.0.0.1:" + port, "127.0.0.2:" + port} {
		if err := reaches("tcp", address); err != nil {
			t.Error(err)
		}
	}
}
