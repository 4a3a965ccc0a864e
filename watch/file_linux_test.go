package watch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"relevo/internal/testleft"
	"relevo/internal/testreq"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                         "without a path",
		dir:                        "is a directory",
		filepath.Join(dir, "fifo"): "not a regular file",
		filepath.Join(dir, "loop"): "too many levels",
		"/dev/null":                "not a regular file",
	} {
		_, err := New(Options{Path: path})
		if err == nil || !strings.HasPrefix(err.Error(), "cannot watch ") || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q): %v, want %q", path, err, want)
		}
	}
}

func TestRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	put(t, filepath.Join(dir, "b/srv"), v1)
	sh(t, dir, "mkdir a b/c; ln -s ../b/c a/link")
	for _, path := range []string{"b/srv", "./b/../b/srv", "a/link/../srv"} {
		w, err := New(Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if w.start != hashOf(v1) {
			t.Errorf("%s was not found where the kernel finds it", path)
		}
	}
}

// What happens between New and Run is reported by Run.
func TestChangedBeforeRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "srv")
	put(t, path, v1)
	w, err := New(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, v2)
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	ended := make(chan struct{})
	go func() { w.Run(ctx); close(ended) }()
	if c := <-w.Changes(); c.SHA256 != hashOf(v2) {
		t.Errorf("%+v", c)
	}
	cancel()
	<-ended
}

// Run returns after all that it started has ended. Not parallel: it counts what the whole
// process has open.
func TestRunLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "srv")
	put(t, path, v1)
	before := len(testleft.OpenFiles())
	for range 10 {
		w, err := New(Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.checked = func(check) { cancel() }
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	}
	if after := len(testleft.OpenFiles()); after > before {
		t.Errorf("%d open files before, %d after", before, after)
	}
	goleak.VerifyNone(t)
}

// A reader that is away for a while finds the newest Change, and has not held
// up the watch.
func TestNewestWins(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "srv")
	put(t, path, v1)
	w, err := New(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	checks := make(chan check, 1000)
	w.checked = func(c check) { checks <- c }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { w.Run(ctx); close(ended) }()
	for _, content := range []string{v2, v1, v3} {
		put(t, path, content)
		for c := range checks {
			if c.sum == hashOf(content) {
				break
			}
		}
	}
	cancel()
	<-ended
	if c := <-w.Changes(); c.SHA256 != hashOf(v3) {
		t.Errorf("the Change is %+v, not the newest", c)
	}
	select {
	case c := <-w.Changes():
		t.Errorf("an older Change is left: %+v", c)
	default:
	}
}

func TestSetActive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "srv"), v2)
	r := watchPath(t, dir, "srv", Options{})
	r.none(v2)
	r.w.SetActive(hashOf(v1))
	r.want(v2) // it holds other bytes than the ones in use
	r.none(v2)
	put(t, r.path, v1)
	r.want(v1)
}

// A file is not taken for complete while its writer pauses for longer than the quiet time,
// whether the writer has it open or only mapped.
func TestSlowWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "srv"), v1)
	r := watchPath(t, dir, "srv", Options{})
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{v2[:5], v2[5:9], v2[9:]} {
		if _, err := f.WriteString(part); err != nil {
			t.Fatal(err)
		}
		wrote := time.Now()
		r.until("a look at the part", func(c outcome) bool {
			return c.err == errUnfinished && c.at.Sub(wrote) > r.w.opts.Quiet
		})
		r.until("another", func(c outcome) bool { return c.err == errUnfinished })
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.want(v2)
	r.none(v2)
	if n := strings.Count(r.log.String(), "still being written"); n != 1 {
		t.Errorf("the wait was logged %d times:\n%s", n, r.log)
	}
}

func TestMappedWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "srv"), v1)
	r := watchPath(t, dir, "srv", Options{})
	f, err := os.OpenFile(r.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, len(v1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	copy(mem, v2[:12])
	os.Chtimes(r.path, time.Time{}, time.Now())
	r.until("the mapping", func(c outcome) bool { return c.err == errUnfinished })
	copy(mem, v2)
	if err := unix.Munmap(mem); err != nil {
		t.Fatal(err)
	}
	r.want(v2)
	r.none(v2)
}

// Two changes with a quiet time between them are two Changes, each seen on the
// inode of the moment: a watch on the file alone goes deaf after the first.
func TestRenamedTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "srv"), v1)
	r := watchPath(t, dir, "srv", Options{})
	for _, content := range []string{v2, v3, v1} {
		put(t, filepath.Join(dir, "next"), content)
		r.sh("mv next srv")
		r.want(content)
	}
	r.none(v1)
}

// A script that an interpreter reads need not be executable.
func TestScriptOfInterpreter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "app.js"), v1)
	if err := os.Chmod(filepath.Join(dir, "app.js"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := watchPath(t, dir, "app.js", Options{Script: true})
	put(t, filepath.Join(dir, "app.js"), v2)
	r.sh(`chmod 644 app.js`)
	r.want(v2)
}

// The watch waits for a file that cannot be run yet, and logs that once.
func TestUnfit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, says string }{
		"missing":        {`rm srv`, "no such file"},
		"empty":          {`: > srv`, "is empty"},
		"not executable": {`chmod -x srv`, "is not executable"},
		"directory":      {`rm srv; mkdir srv`, "is a directory"},
		"fifo":           {`rm srv; mkfifo srv`, "not a regular file"},
		"below a file":   {`rm -r d; : > d`, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, filepath.Join(dir, "d/srv"), v1)
			path := "srv"
			if name == "below a file" {
				path = "d/srv"
			} else {
				put(t, filepath.Join(dir, "srv"), v1)
			}
			r := watchPath(t, dir, path, Options{})
			r.sh(c.script)
			r.until(c.says, func(o outcome) bool { return o.err != nil && strings.Contains(o.err.Error(), c.says) })
			r.none(v1)
			r.none(v1)
			if n := strings.Count(r.log.String(), c.says); n != 1 {
				t.Errorf("%q was logged %d times:\n%s", c.says, n, r.log)
			}
			r.sh(`rm -rf "` + r.path + `"; [ ! -f d ] || rm d`)
			put(t, r.path, v2)
			r.want(v2)
			if !strings.Contains(r.log.String(), "there and complete") {
				t.Errorf("the end of the wait was not logged:\n%s", r.log)
			}
		})
	}
}

// A busy neighbour in the same directory neither wakes the watch nor delays it.
func TestBusyNeighbour(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "srv"), v1)
	put(t, filepath.Join(dir, "srv.log"), "")
	r := watchPath(t, dir, "srv", Options{})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		log, err := os.OpenFile(filepath.Join(dir, "srv.log"), os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer log.Close()
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			select {
			case <-stop:
				tick.Stop()
				return
			default:
				log.WriteAt([]byte("line\n"), 0)
			}
		}
	}()
	put(t, r.path, v2)
	r.want(v2)
	r.none(v2)
	close(stop)
	<-stopped
}

// A file that changes without end is looked at after QuietMax nevertheless.
func TestQuietMax(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "srv"), v1)
	put(t, filepath.Join(dir, "next"), v2)
	r := watchPath(t, dir, "srv", Options{Quiet: 10 * time.Minute, QuietMax: 50 * time.Millisecond})
	r.sh("mv next srv")
	r.want(v2)
}

// In a container the directories are those of an overlay file system, and the
// file is in a lower layer until it is first replaced.
func TestOverlay(t *testing.T) {
	t.Parallel()
	testreq.Root(t)
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		os.Mkdir(filepath.Join(dir, d), 0o755)
	}
	put(t, filepath.Join(dir, "lower/srv"), v1)
	merged := filepath.Join(dir, "merged")
	layers := "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work"
	if err := unix.Mount("overlay", merged, "overlay", 0, layers); err != nil {
		testreq.Missing(t, "cannot mount an overlay file system: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(merged, unix.MNT_DETACH) })
	r := watchPath(t, merged, "srv", Options{})
	put(t, r.path, v2) // copied up
	r.want(v2)
	put(t, filepath.Join(merged, "next"), v1)
	r.sh("mv next srv")
	r.want(v1)
	f, err := os.OpenFile(r.path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(v2[:12])
	r.until("the writer", func(c outcome) bool { return c.err == errUnfinished })
	f.WriteString(v2[12:])
	f.Close()
	r.want(v2)
	r.none(v2)
}

// TestKnownSum: a hash that is known already is not computed again, neither at the start nor at
// the first look.
func TestKnownSum(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "srv"), v1)
	r := watchPath(t, dir, "srv", Options{SumOf: func(*os.File) (string, bool) { return "its hash", true }})
	if r.w.start != "its hash" {
		t.Errorf("at the start the hash is %q", r.w.start)
	}
	r.w.SetActive("another")
	r.until("a look that takes the known hash", func(c outcome) bool { return c.sum == "its hash" })
}
