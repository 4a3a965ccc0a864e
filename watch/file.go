package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Options are the settings of a File.
type Options struct {
	// Path is the executable. A relative path is taken from the working
	// directory of the moment. It need not exist yet.
	Path string
	// Script says that an interpreter reads the file, which need not be executable.
	Script bool
	// Name returns what a start would bring to life now, given the sha256 of the
	// file's bytes; a Change is another name. The default is the bytes alone. An
	// error is that of a place that is missing just now: the name it had stands.
	Name func(sha256 string) (string, error)
	// Ways are other paths, of files or directories, that decide about Name by
	// where symbolic links on them lead.
	Ways []string
	// Quiet is how long no event must come before the file is looked at;
	// default 100 ms.
	Quiet time.Duration
	// QuietMax bounds the wait for Quiet while events keep coming; default 10 s.
	QuietMax time.Duration
	// Poll is how often the path is looked at without an event. 0 means never
	// where events can be trusted and every 2 s elsewhere, as the package
	// comment tells; a negative value means never.
	Poll time.Duration
	// Log gets one line when the watch starts or stops to wait for something;
	// default none.
	Log *slog.Logger
}

const defaultPoll = 2 * time.Second

func (o Options) withDefaults() Options {
	if o.Quiet <= 0 {
		o.Quiet = 100 * time.Millisecond
	}
	if o.QuietMax <= 0 {
		o.QuietMax = 10 * time.Second
	}
	if o.Name == nil {
		o.Name = func(sha256 string) (string, error) { return sha256, nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Change says that the path now leads to other bytes, completely written, or that
// they have another name.
type Change struct {
	Name    string    // as Options.Name has it
	Path    string    // Options.Path, absolute
	File    string    // where it leads, without symbolic links
	SHA256  string    // of the bytes, in hex
	Size    int64     // bytes
	ModTime time.Time // of File
}

// File watches one executable.
type File struct {
	opts    Options
	start   string // the name at the time of New
	changes newest[Change]
	active  newest[string]
	checked func(check) // told of each look at the file; for tests
}

// New notes the bytes of the file as they are now; Run reports what differs
// from them. A file that is missing is waited for. New returns an error for an
// empty path, for a file that cannot be read, and for one that is not regular.
func New(o Options) (*File, error) {
	if o.Path == "" {
		return nil, errors.New("cannot watch a file without a path: set Options.Path")
	}
	if !filepath.IsAbs(o.Path) {
		wd, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("cannot watch %s: %w", o.Path, err)
		}
		// Not filepath.Join: it takes "link/.." away, which the kernel does not.
		o.Path = wd + "/" + o.Path
	}
	w := &File{opts: o.withDefaults(), changes: make(newest[Change], 1), active: make(newest[string], 1)}
	start, err := startSum(o.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot watch %s: %w", o.Path, err)
	}
	// What has no name just now will have another one than this.
	w.start, _ = o.nameOf(start)
	return w, nil
}

// nameOf is Name for bytes that are there.
func (o Options) nameOf(sha256 string) (string, error) {
	if sha256 == "" || o.Name == nil {
		return sha256, nil
	}
	return o.Name(sha256)
}

// startSum returns the sha256 of what is there, finished or not, "" for nothing.
func startSum(path string) (string, error) {
	r := resolve(path)
	if r.missing() {
		return "", nil
	}
	if r.err == nil && !r.mode.IsRegular() {
		r.err = errors.New("it is not a regular file")
	}
	if r.err != nil {
		return "", r.err
	}
	f, err := open(r)
	if errors.Is(err, os.ErrPermission) {
		return "", fmt.Errorf("%w; the watch compares bytes and needs read permission", err)
	}
	if err != nil {
		return "", notYet(err)
	}
	defer f.Close()
	s, err := sum(context.Background(), f, r.id)
	return s, notYet(err)
}

// notYet passes over a file that changes while it is read: its bytes, whatever
// they become, differ from "".
func notYet(err error) error {
	if errors.Is(err, errUnfinished) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Changes returns the channel on which Run sends. It holds one Change: one that
// was not taken yet is replaced by a newer one, and Run never waits for a
// reader. It is never closed.
func (w *File) Changes() <-chan Change { return w.changes }

// SetActive tells what is in use, by its name, which is the sha256 of its bytes
// unless Options.Name has others, in place of
// what was last sent or found at the start. If the file holds something else, a Change
// follows; so after going back to an older release, while the file still holds
// the newer one, do not call it. It never blocks and may be called from any
// goroutine, also before Run.
func (w *File) SetActive(name string) { w.active.put(name) }

// Run watches until ctx ends, and then returns nil when all its goroutines are
// gone. It is called once. Nothing makes it give up: what stands in the way of
// watching is logged, and polling takes its place.
func (w *File) Run(ctx context.Context) error {
	l := newLoop(w)
	defer l.close()
	l.run(ctx)
	return nil
}

// newest is a channel of one element that a sender never waits for.
type newest[T any] chan T

func (c newest[T]) put(v T) {
	for {
		select {
		case c <- v:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}
