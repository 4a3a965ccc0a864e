package serve

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
)

// Neither a fifo nor a device nor a socket is opened, and none blocks.
func TestSpecialFiles(t *testing.T) {
	dir := tree(t, map[string]string{"d/": "", "link": "-> fifo"})
	for _, fifo := range []string{"fifo", "d/index.html"} {
		if err := unix.Mkfifo(filepath.Join(dir, fifo), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := newSite(t, Options{Dir: dir})
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	go func() {
		defer cancel()
		for _, path := range []string{"/fifo", "/link", "/sock", "/d/"} {
			s.want(t, path, 403, "")
		}
		if page := s.get("GET", "/").Body.String(); strings.Contains(page, "fifo") || strings.Contains(page, "sock") {
			t.Errorf("special files are listed:\n%s", page)
		}
	}()
	<-ctx.Done()
	if ctx.Err() == context.DeadlineExceeded {
		t.Fatal("a special file blocks")
	}
	if n := strings.Count(s.log.String(), "not a regular file"); n != 4 {
		t.Errorf("%d of 4 refusals were logged:\n%s", n, s.log)
	}
}

func TestDevice(t *testing.T) {
	testreq.Root(t)
	dir := t.TempDir()
	if err := unix.Mknod(filepath.Join(dir, "zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
		testreq.Missing(t, "cannot make a device: "+err.Error())
	}
	newSite(t, Options{Dir: dir}).want(t, "/zero", 403, "")
}

// The fifo that takes a file's place after the look at it does not block.
func TestFifoInBetween(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := newSite(t, Options{Dir: dir}).Handler.(*files)
	opened := make(chan error, 1)
	go func() {
		file, err := f.root.OpenFile("fifo", openFlags, 0)
		if err == nil {
			file.Close()
		}
		opened <- err
	}()
	select {
	case <-opened:
	case <-time.After(tooLong):
		t.Fatal("opening a fifo blocks")
	}
}

// asNobody runs f with the file permissions of a user who owns nothing.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread() // and leave it locked: the thread ends with its goroutine
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	f()
}

func TestUnreadable(t *testing.T) {
	dir := tree(t, map[string]string{"file": "secret", "dir/file": "x", "index/index.html": "secret", "open/f": "x"})
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	s := newSite(t, Options{Dir: dir})
	os.Chmod(filepath.Join(dir, "file"), 0)
	os.Chmod(filepath.Join(dir, "dir"), 0)
	os.Chmod(filepath.Join(dir, "index/index.html"), 0)
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "dir"), 0o755) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		asNobody(t, func() {
			s.want(t, "/open/f", 200, "x")
			s.want(t, "/file", 403, "")
			s.want(t, "/dir/", 403, "")
			s.want(t, "/dir/file", 403, "")
			s.want(t, "/index/", 403, "")
			_, err := Handler(Options{Dir: filepath.Join(dir, "dir")})
			if err == nil || !strings.Contains(err.Error(), "permission denied; the worker's user needs to read it") {
				t.Errorf("a directory that cannot be read: %v", err)
			}
		})
	}()
	<-done
	if n := strings.Count(s.log.String(), "permission denied"); n != 4 {
		t.Errorf("%d of 4 refusals were logged:\n%s", n, s.log)
	}
}
