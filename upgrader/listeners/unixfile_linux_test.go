package listeners_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
)

// lockDir locks a directory, as any user can who may open it, until the test ends.
func lockDir(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

// TestForeignDirectoryLock: a lock that is never released is reported with its holder, and does not
// keep the master from ending.
func TestForeignDirectoryLock(t *testing.T) {
	path, other := testproc.SocketPath(t), testproc.SocketPath(t)
	h, opened := newHealer(t, "unix:"+path)
	lockDir(t, filepath.Dir(path))
	lockDir(t, filepath.Dir(other))
	err := h.Apply(wanted(t, "unix:"+path, "more=unix:"+other))
	wantContains(t, err, "cannot listen on unix:"+other, "holds a lock (flock) on "+filepath.Dir(other), "pid ", "end it")
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[0].File()}), "shutdown")
	if healed := h.next(); healed.Err != nil {
		t.Errorf("a socket that was shut down: %v", healed.Err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if exists(path) {
		t.Error("the socket is left after Close")
	}
}

// TestRemovedFile: when the file of a Unix socket was removed, the next Apply makes it again, with
// its mode; until then Lost reports it.
func TestRemovedFile(t *testing.T) {
	setUmask(t, 0o007)
	for _, option := range []string{"", ",mode=0620"} {
		path := testproc.SocketPath(t)
		h, opened := newHealer(t, "unix:"+path+option)
		before := mode(t, path)
		unix.Umask(0o077)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if lost := h.Lost(); len(lost) != 1 || !strings.Contains(lost[0], path+" was removed") {
			t.Errorf("lost are %q", lost)
		}
		if err := h.Apply(wanted(t, "unix:"+path+option)); err != nil {
			t.Fatal(err)
		}
		if healed := h.next(); healed.Err != nil || !healed.Renewed || !healed.Outside ||
			healed.What != "its file was removed" || healed.At.IsZero() {
			t.Errorf("told %+v", healed)
		}
		if lost := h.Lost(); len(lost) > 0 {
			t.Errorf("lost are %q", lost)
		}
		if after := mode(t, path); after != before {
			t.Errorf("the mode is %v, want %v", after, before)
		}
		server := testproc.Spawn(t, "accept", []*os.File{opened[0].File()})
		server.Line()
		wantServed(t, "unix", path)
		unix.Umask(0o007)
	}
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// TestReplacedFile: a path that another program has taken is left to it, and reported.
func TestReplacedFile(t *testing.T) {
	for what, put := range map[string]func(path string){
		"socket": func(path string) { strange(t, path) },
		"file":   func(path string) { os.WriteFile(path, []byte("another's"), 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			path := testproc.SocketPath(t)
			h, _ := newHealer(t, "unix:"+path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			put(path)
			theirs := mode(t, path)
			if lost := h.Lost(); len(lost) != 1 || !strings.Contains(lost[0], "another program has put its own file at "+path) {
				t.Errorf("lost are %q", lost)
			}
			if err := h.Apply(wanted(t, "unix:"+path+",mode=0604")); err != nil {
				t.Fatal(err)
			}
			wantContains(t, h.next().Err, path+"; remove that file and reload")
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			if now := mode(t, path); now != theirs {
				t.Errorf("the other program's file is %v, was %v", now, theirs)
			}
		})
	}
}

// passedOn passes the listeners of set to another one; set closes none of them.
func passedOn(t *testing.T, set *listeners.Set) *healer {
	t.Helper()
	all, files := set.Legacy()
	document, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var read []listeners.Legacy
	if err := json.Unmarshal(document, &read); err != nil {
		t.Fatal(err)
	}
	next, err := listeners.TakeOver(listeners.Options{}, read, copies(files))
	if err != nil {
		t.Fatal(err)
	}
	h := &healer{next, t, make(chan listeners.Healed, 100)}
	h.OnHealed(func(healed listeners.Healed) { h.heals <- healed })
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// TestRemovedFileInSuccession: a master that takes over makes a removed file again, with the mode
// that the first master gave it.
func TestRemovedFileInSuccession(t *testing.T) {
	setUmask(t, 0o007)
	path := testproc.SocketPath(t)
	h, _ := newHealer(t, "unix:"+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	unix.Umask(0o077)
	next := passedOn(t, h.Set)
	next.Begin()
	if healed := next.next(); healed.Err != nil || !healed.Renewed {
		t.Errorf("told %+v", healed)
	}
	if err := reaches("unix", path); err != nil {
		t.Error(err)
	}
	if now := mode(t, path).Perm(); now != 0o770 {
		t.Errorf("the mode is %v", now)
	}
}

// TestRemovedHiddenFile: a retiring listener whose file was removed comes back with a new file.
func TestRemovedHiddenFile(t *testing.T) {
	path := testproc.SocketPath(t)
	h, opened := newHealer(t, "unix:"+path)
	if err := h.Retire(opened[0]); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) != 1 {
		t.Fatalf("hidden as %v, %v", names, err)
	}
	if err := os.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	if err := h.Restore(opened[0]); err != nil {
		t.Fatal(err)
	}
	if healed := h.next(); healed.Err != nil || !healed.Renewed {
		t.Errorf("told %+v", healed)
	}
	if err := reaches("unix", path); err != nil {
		t.Error(err)
	}
}

// TestAbstract: unix:@name is a name without a file, in every state of a listener.
func TestAbstract(t *testing.T) {
	name := "@relevo-test-" + filepath.Base(filepath.Dir(testproc.SocketPath(t)))
	t.Chdir(t.TempDir())
	h, opened := newHealer(t, "unix:"+name)
	l := opened[0]
	if l.Address != name || exists(name) {
		t.Errorf("the address is %q, a file: %v", l.Address, exists(name))
	}
	err := refused(t, "unix:"+name)
	if wantContains(t, err, "cannot listen on unix:"+name, "ss -lxp"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
	served := func(when string, set *listeners.Set) {
		t.Helper()
		server := testproc.Spawn(t, "accept", []*os.File{set.Listeners()[0].File()})
		server.Line()
		t.Log(when)
		wantServed(t, "unix", name)
	}
	served("at first", h.Set)
	for _, step := range []func(*listeners.Listener) error{h.Retire, h.Park, h.Restore} {
		if err := step(l); err != nil {
			t.Fatal(err)
		}
	}
	served("unparked", h.Set)
	if err := h.Apply(wanted(t, "unix:"+name)); err != nil || !slices.Equal(h.Listeners(), []*listeners.Listener{l}) {
		t.Errorf("kept %s, %v", names(h.Listeners()), err)
	}
	served("kept", h.Set)
	next := passedOn(t, h.Set)
	next.Begin()
	served("inherited", next.Set)
	if lost := append(h.Lost(), next.Lost()...); len(lost) > 0 {
		t.Errorf("lost are %q", lost)
	}
	order(t, testproc.Spawn(t, "abuse", []*os.File{l.File()}), "shutdown")
	wantContains(t, next.next().Err, "abstract name", "restart the app")
	if err := errors.Join(next.Close(), h.Close()); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("unix", name); err == nil {
		conn.Close()
		t.Error("it listens after Close")
	}
}

// TestAbstractActivated: abstract sockets of the service manager, and those of a previous master,
// are recognized by their names.
func TestAbstractActivated(t *testing.T) {
	name := "@relevo-test-" + filepath.Base(filepath.Dir(testproc.SocketPath(t)))
	for _, own := range []bool{false, true} {
		conn := strange(t, name)
		raw, err := conn.File()
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.FcntlInt(raw.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		set, _ := newSet(t)
		set.Activate([]listeners.Socket{{Name: "other", FD: fd, Own: own}})
		if all, err := set.Listen(wanted(t, "web=unix:"+name)); err != nil || len(all) != 1 || all[0].Address != name {
			t.Errorf("own %v: added %v, %v", own, all, err)
		}
		if err := errors.Join(raw.Close(), conn.Close(), set.Close()); err != nil {
			t.Error(err)
		}
	}
}
