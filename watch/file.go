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
	// Name returns the name of the release that a worker would run if it were started
	// now, given the sha256 of the file's bytes. Another name is a Change. The default is
	// the sha256 itself. An error means that a place is missing at the moment: then the
	// last name stays.
	Name func(sha256 string) (string, error)
	// SumOf returns the sha256 of an open file, if it is known without reading it: a reader
	// that has hashed the file before can tell. Default: it never is.
	SumOf func(file *os.File) (sha256 string, known bool)
	// Ways are other paths, of files or directories. Name depends on where symbolic links
	// on them lead.
	Ways []string
	// Quiet is how long no event may come before the file is looked at. Default: 100 ms.
	Quiet time.Duration
	// QuietMax limits the wait for Quiet while events keep coming. Default: 10 s.
	QuietMax time.Duration
	// Poll is how often the path is looked at without an event. 0 means never if events
	// can be trusted, and otherwise every 2 s (see the package comment). A negative value
	// means never.
	Poll time.Duration
	// Log gets one line when the watch starts or stops to wait for something. Default:
	// none.
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

// Change says that the path now leads to other, completely written bytes, or that the bytes
// have another name.
type Change struct {
	Name    string    // from Options.Name
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
	checked func(check) // called after each look at the file; for tests
}

// New hashes the file as it is now. Run reports what differs from that. The file may be
// missing. New returns an error if the path is empty, or if the file cannot be read or is
// not regular.
func New(o Options) (*File, error) {
	if o.Path == "" {
		return nil, errors.New("cannot watch a file without a path: set Options.Path")
	}
	if !filepath.IsAbs(o.Path) {
		wd, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("cannot watch %s: %w", o.Path, err)
		}
		// filepath.Join would remove "link/..", which may be another directory for the kernel.
		o.Path = wd + "/" + o.Path
	}
	w := &File{opts: o.withDefaults(), changes: make(newest[Change], 1), active: make(newest[string], 1)}
	start, err := w.opts.startSum()
	if err != nil {
		return nil, fmt.Errorf("cannot watch %s: %w", o.Path, err)
	}
	// After an error the name is empty, so that the next one is a Change.
	w.start, _ = o.nameOf(start)
	return w, nil
}

// nameOf calls Name, unless there are no bytes.
func (o Options) nameOf(sha256 string) (string, error) {
	if sha256 == "" || o.Name == nil {
		return sha256, nil
	}
	return o.Name(sha256)
}

// startSum returns the sha256 of the file, finished or not, "" if there is none.
func (o Options) startSum() (string, error) {
	r := resolve(o.Path)
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
	s, err := o.sum(context.Background(), f, r.id)
	return s, notYet(err)
}

// notYet ignores that a file changed while it was read: its final bytes are a Change,
// because they differ from "".
func notYet(err error) error {
	if errors.Is(err, errUnfinished) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Changes returns the channel on which Run sends. It holds one Change. A newer one replaces
// it if it was not read yet, so Run never waits for a reader. The channel is never closed.
func (w *File) Changes() <-chan Change { return w.changes }

// SetActive says which release is in use: by its name (Options.Name), or by default the
// sha256 of its bytes. It replaces the name that was last sent or found at the start. If the
// file holds another release, a Change follows. So do not call it after a rollback, while
// the file still holds the newer release. SetActive never blocks, and may be called from any
// goroutine, also before Run.
func (w *File) SetActive(name string) { w.active.put(name) }

// Run watches until ctx ends. It returns nil when all its goroutines have ended. It is called
// once. It never gives up: if it cannot watch, it logs why and polls.
func (w *File) Run(ctx context.Context) error {
	l := newLoop(w)
	defer l.close()
	l.run(ctx)
	return nil
}

// newest is a channel of one element. A newer element replaces it, so a sender never waits.
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
