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

// image is the file from which one worker is started.
type image struct {
	path   string      // for an exec by path, and for messages
	file   *os.File    // open; nil: it could not be read
	seal   *store.Seal // the state that file must have
	kept   bool        // it is a copy in the store, which is never replaced
	byFile bool        // the path leads to other bytes by now: exec the open file
	script bool        // an interpreter opens it by its path
	source source
}

// source says which file of a script a worker was started with.
type source int

const (
	fromElsewhere source = iota
	fromCopy             // of the script
	fromReplaced         // the path, which now holds other bytes, because the copy did not start
)

// image chooses the file that a worker execs. While the original path holds the bytes of
// this release it is that path, because a program may look for files beside itself. After
// that it is the copy, or the open file if no copy could be made.
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

// originals returns the paths that may hold the bytes. A script that needs the files of
// its directory runs only in that directory, even if the links lead elsewhere by now.
func (r *Release) originals() []string {
	if r.isScript() && len(r.about.Places) > 0 {
		return []string{r.resolved}
	}
	return []string{r.path, r.resolved}
}

// original returns the file at a path if it still holds the release's bytes.
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

// copyImage opens the copy. If the copy was changed or removed, it is made again from the
// open file.
func (r *Release) copyImage() (*image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.copied == nil {
		return nil, errNoCopy
	}
	file, err := r.copied.Open()
	if err != nil {
		r.launcher.warn("a snapshot cannot be used any more", "err", err)
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

// started notes whether a worker of a script got ready, and from which file. A copy of a
// script may fail because it does not find the files beside the script. Then the next
// worker runs what the path holds now: a worker of other bytes is better than none. After
// a rollback there is no such exception.
func (r *Release) started(from source, ready bool) {
	switch {
	case ready || from == fromElsewhere || r.goneBackTo:
	case from == fromCopy && r.copyUnfit.CompareAndSwap(false, true):
		r.launcher.warn("the script's copy does not start: the next worker runs what lies at its path now", "path", r.path)
	case from == fromReplaced:
		r.copyUnfit.Store(false)
	}
}

// complain writes one warning in the life of the release, and drops further ones.
func (r *Release) complain(message string, args ...any) {
	if r.complained.CompareAndSwap(false, true) {
		r.launcher.warn(message, args...)
	}
}

// check returns an error if a process that was just started from the image, with these
// arguments, runs other bytes. The check may come after the exec, because the kernel
// refuses writes to a file that is being run (ETXTBSY).
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
	// With other arguments, the process has exec'd another program, as env(1) does, or is
	// a script's interpreter, or has ended. Then only the path can be checked, which does
	// not show whether it led elsewhere for a moment.
	there, err := os.Stat(i.path)
	wanted, wantedErr := i.file.Stat()
	if err != nil || wantedErr != nil || !os.SameFile(there, wanted) || !i.script && hasArguments(pid, args) {
		return fmt.Errorf("%s was replaced while a worker was started from it", i.path)
	}
	return nil
}

// close closes a file that was opened for one worker.
func (i *image) close() {
	if i.file != nil && !i.byFile {
		i.file.Close()
	}
}
