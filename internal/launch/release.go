package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"relevo/internal/launch/store"
	"relevo/internal/nodecluster"
	"relevo/pool"
)

// Release is the command of one generation. What may change later is looked up once, when
// the release is prepared: the executable's bytes, the working directory, the environment.
// It implements pool.Release.
type Release struct {
	launcher *Launcher
	command  Command
	dir      string   // the working directory, symbolic links resolved
	dirFile  *os.File // dir, open: workers can enter it even after it was deleted
	env      []string
	account  *Account // nil: the master's own
	path     string   // of the file with the release's bytes, as given
	resolved string   // the same, symbolic links resolved

	interpreter *interpreter // of the script at path; nil: the file at path is run itself

	form     form
	about    store.About
	sum      string      // hash of the bytes; empty: the executable cannot be read
	file     *os.File    // kept open since it was hashed
	seal     *store.Seal // of file
	pathSeal *store.Seal // of the file at path or resolved; nil: neither holds the bytes

	mu           sync.Mutex
	copied       *store.Copy // nil: none could be made
	complained   atomic.Bool
	wrapper      sync.Once // for the warning about a process in between
	debuggers    debuggers
	lookAtScript sync.Once // sets script
	script       nodecluster.Script
	passedOver   passedOver
	copyUnfit    atomic.Bool // of a script: the last worker from the copy did not get ready
	goneBackTo   bool        // a rollback took it from the store

	// speaks: a worker has said by itself that it is ready, so all others have to.
	speaks atomic.Bool
}

// Prepare looks up and keeps everything that the command needs. Its errors say
// which file is at fault and what to do.
func (l *Launcher) Prepare(c Command) (*Release, error) {
	return l.prepare(c, c.Dir, (*Release).keepBytes)
}

// prepare makes a release with the working directory dir. keep finds its bytes.
func (l *Launcher) prepare(c Command, dir string, keep func(*Release) error) (*Release, error) {
	r := &Release{launcher: l, command: c}
	var err error
	if r.dir, err = resolveDir(dir); err != nil {
		return nil, err
	}
	if r.dirFile, err = openDir(r.dir); err != nil {
		return nil, fmt.Errorf("cannot use the working directory: %w", err)
	}
	if r.account, err = LookUpUser(c.Limits.User, c.Limits.Group); err == nil {
		r.env, err = appEnv(c)
	}
	if err == nil {
		err = CheckArguments(c.Args, c.listenerNames())
	}
	if err == nil {
		_, err = CheckVariables(c.Env, c.listenerNames())
	}
	if err == nil {
		err = c.checkRoom(r.env)
	}
	if err == nil {
		err = keep(r)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// findTarget looks up the program and its script as the workers would.
func (r *Release) findTarget() error {
	t, err := findTarget(r.command, r.dir, r.searchPath())
	r.aim(t)
	return err
}

func (r *Release) aim(t target) { r.path, r.interpreter = t.path, openInterpreter(t) }

// program returns the path that is exec'd.
func (r *Release) program() string {
	if r.interpreter != nil {
		return r.interpreter.path
	}
	return r.path
}

func (r *Release) formOf(file *os.File) form {
	if r.interpreter != nil {
		return interpreted
	}
	return formOf(file)
}

// isScript says whether an interpreter opens the release's file by name, after the exec.
func (r *Release) isScript() bool { return r.form == script || r.form == interpreted }

// searchPath returns the PATH of the workers.
func (r *Release) searchPath() string { return pathOf(environ(r.command.inherited(), r.env, scene{})) }

func resolveDir(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return "", fmt.Errorf("cannot use the working directory: %w; create it, or choose another", err)
	}
	if info, err := os.Stat(resolved); err == nil && !info.IsDir() {
		return "", fmt.Errorf("cannot use the working directory: %s is a file; choose a directory", resolved)
	}
	return resolved, nil
}

// Info describes the release.
func (r *Release) Info() pool.Info {
	return pool.Info{Path: r.path, SHA256: r.name(), Version: r.about.Version, Directory: r.about.Directory()}
}

// name returns the hash by which users know the release.
func (r *Release) name() string { return r.about.NameOf(r.sum) }

// Addresses returns the addresses of the listeners that its workers inherit.
func (r *Release) Addresses() (all []string) {
	for _, l := range r.command.Listeners {
		all = append(all, l.Address)
	}
	return all
}

// Source returns the path of the executable or script as the command names it. Symbolic
// links are not resolved, so that the path leads to the next release after a link moves.
func (r *Release) Source() string {
	program := r.command.Args[0]
	if r.interpreter != nil {
		return under(givenDir(r.command.Dir), r.interpreter.script)
	}
	if strings.Contains(program, "/") && !filepath.IsAbs(program) && r.command.Dir != "" {
		return r.command.Dir + "/" + strings.TrimPrefix(program, "./")
	}
	return r.path
}

// Speaks says whether its workers say by themselves that they are ready.
func (r *Release) Speaks() bool { return r.speaks.Load() }

// ExpectWord makes its workers ready only when they say so, because the workers of the
// previous release did. Observation alone would pass a release that hangs right after it
// has opened its listener. It applies if Config.Ready is auto.
func (r *Release) ExpectWord() { r.speaks.Store(true) }

// Interpreted says whether Source is a script that its interpreter reads.
func (r *Release) Interpreted() bool { return r.interpreter != nil }

// Close closes the release's files. Its copy stays in the store until Collect removes it.
func (r *Release) Close() error {
	r.dirFile.Close()
	r.interpreter.close()
	if r.file != nil {
		r.file.Close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.copied == nil {
		return nil
	}
	r.copied.Close()
	if err := r.launcher.store.Collect(); err != nil {
		r.launcher.warn("cannot remove old copies of executables", "err", err)
	}
	return nil
}
