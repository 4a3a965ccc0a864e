package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"relevo/internal/config"
	"relevo/internal/launch/store"
	"relevo/internal/phrase"
	"relevo/internal/safefile"
)

// image is the file that one worker is started from.
type image struct {
	path   string      // to exec, where that is done by path; for messages
	file   *os.File    // open; nil: nothing is known of its bytes
	seal   *store.Seal // what file has to hold
	kept   bool        // it is the store's: nobody replaces it
	byFile bool        // the path leads elsewhere by now: only the open file will do
	script bool        // an interpreter opens it by its path
	source source
}

// source says which file of a script a worker was started from.
type source int

const (
	fromElsewhere source = iota
	fromCopy             // of the script
	fromReplaced         // the path, which holds other bytes: the copy did not start
)

// image chooses what a worker execs: the original path while it holds the bytes
// of this release, so that a program which looks beside itself finds its files;
// the copy once it does not, or, where no copy could be made, the open file.
func (r *Release) image(avoidPath bool) (*image, error) {
	from := r.command.ExecFrom
	if r.file == nil {
		return &image{path: r.path}, nil // it could not be read
	}
	if from == config.ExecPath || from != config.ExecSnapshot && !avoidPath {
		for _, path := range r.originals() {
			if i := r.original(path); i != nil {
				return i, nil
			}
		}
	}
	if from == config.ExecPath {
		return nil, fmt.Errorf("cannot start a worker: %s no longer holds the bytes of release %s; reload to start what "+
			"it holds now, or set exec_from to auto",
			r.path, phrase.Hash(r.name()))
	}
	if r.isScript() && r.copyUnfit.Load() && from != config.ExecSnapshot {
		return &image{path: r.originals()[0], source: fromReplaced}, nil
	}
	i, err := r.copyImage()
	switch {
	case err == nil:
		if r.isScript() {
			i.source = fromCopy
			r.complain("the script's path holds other bytes: its copy may not find files beside it", "path", r.path,
				"copy", i.path)
		}
		return i, nil
	case !errors.Is(err, errNoCopy) && r.seal.Verify(r.file) != nil, from == config.ExecSnapshot:
		return nil, fmt.Errorf("cannot start a worker of release %s: %w", phrase.Hash(r.name()), err)
	case r.isScript():
		// Its interpreter opens it by name.
		r.complain("the script's path holds other bytes and there is no copy: workers run what lies there", "path", r.path)
		return &image{path: r.originals()[0]}, nil
	}
	return &image{path: r.path, file: r.file, seal: r.seal, byFile: true}, nil
}

// originals are the paths that may hold the bytes. A script whose directory counts
// is run there only, wherever links lead by now.
func (r *Release) originals() []string {
	if r.isScript() && len(r.about.Places) > 0 {
		return []string{r.resolved}
	}
	return []string{r.path, r.resolved}
}

// original returns the file at a path if it is the release's own, unchanged.
func (r *Release) original(path string) *image {
	if path == "" || r.pathSeal == nil {
		return nil
	}
	file, err := safefile.Open(path)
	if err != nil {
		return nil
	}
	if !r.pathSeal.Intact(file) {
		file.Close()
		return nil
	}
	return &image{path: path, file: file, seal: r.pathSeal, script: r.form == interpreted}
}

var errNoCopy = errors.New("there is no copy of it")

// copyImage opens the copy. One that was changed or removed is made again from
// the open file.
func (r *Release) copyImage() (*image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.copied == nil {
		return nil, errNoCopy
	}
	file, err := r.copied.Open()
	if err != nil {
		r.launcher.warn("a snapshot is not what it was", "err", err)
		if r.seal.Verify(r.file) != nil {
			return nil, fmt.Errorf("snapshot %w, and nothing else holds its bytes; reload to start what %s holds now", err,
				r.path)
		}
		if file, err = r.copyAgainLocked(); err != nil {
			return nil, err
		}
	}
	return &image{path: r.copied.Path(), file: file, seal: r.copied.Seal(), kept: true, script: r.form == interpreted}, nil
}

func (r *Release) copyAgainLocked() (*os.File, error) {
	again, err := r.keep(filepath.Base(r.copied.Path()))
	if err != nil {
		return nil, fmt.Errorf("cannot make its copy again: %w", err)
	}
	r.copied.Close()
	r.copied = again
	return again.Open()
}

// started takes in whether a worker got ready that a file of a script was started
// as. A copy that does not start, for it does not find what lies beside the script,
// gives way to what lies at the path now: other bytes serve better than none. A
// release that was gone back to has no such way out.
func (r *Release) started(from source, ready bool) {
	switch {
	case ready || from == fromElsewhere || r.goneBackTo:
	case from == fromCopy && r.copyUnfit.CompareAndSwap(false, true):
		r.launcher.warn("the script's copy does not start: the next worker runs what lies at its path now", "path", r.path)
	case from == fromReplaced:
		r.copyUnfit.Store(false)
	}
}

// complain warns once in the life of the release.
func (r *Release) complain(message string, args ...any) {
	if r.complained.CompareAndSwap(false, true) {
		r.launcher.warn(message, args...)
	}
}

// check says whether a process that was just started from the image, with these
// arguments, runs the bytes that it should. The kernel lets nobody write to a file
// that is being run, so that what is found now was there at the exec, too.
func (i *image) check(pid int, byPath bool, args []string) error {
	if i.file == nil {
		return nil
	}
	if err := i.seal.Verify(i.file); err != nil {
		return err
	}
	if !i.script && (!byPath || i.byFile || i.kept || runs(pid, i.file)) {
		return nil
	}
	// Where the arguments are not ours it has exec'd another program, as env(1)
	// does, or is a script's interpreter, or has ended. Then the path has to tell,
	// which cannot know whether it led elsewhere for a moment.
	there, err := os.Stat(i.path)
	wanted, wantedErr := i.file.Stat()
	if err != nil || wantedErr != nil || !os.SameFile(there, wanted) || !i.script && hasArguments(pid, args) {
		return fmt.Errorf("%s was replaced while a worker was started from it", i.path)
	}
	return nil
}

// close lets go of a file that was opened for one worker.
func (i *image) close() {
	if i.file != nil && !i.byFile {
		i.file.Close()
	}
}
