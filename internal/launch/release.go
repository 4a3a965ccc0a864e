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

// Release is one generation's command with everything that may change looked up
// once: its executable's bytes, its working directory, its environment. It
// implements pool.Release.
type Release struct {
	launcher *Launcher
	command  Command
	dir      string   // resolved
	dirFile  *os.File // dir, open: it can be entered even after it was deleted
	env      []string
	account  *Account // nil: the master's own
	path     string   // of the file with the release's bytes, as given
	resolved string   // of the file with the release's bytes, symbolic links resolved

	interpreter *interpreter // of the script at path; nil: what lies there is run itself

	form     form
	about    store.About
	sum      string      // of the bytes; empty: the executable cannot be read
	file     *os.File    // open since it was hashed
	seal     *store.Seal // of file
	pathSeal *store.Seal // of the file at path or resolved; nil: neither holds the bytes

	mu           sync.Mutex
	copied       *store.Copy // nil: none could be made
	complained   atomic.Bool
	wrapper      sync.Once // the warning of a process in between
	debuggers    debuggers
	lookAtScript sync.Once // of script
	script       nodecluster.Script
	passedOver   passedOver
	copyUnfit    atomic.Bool // of a script: the last worker from the copy did not get ready
	goneBackTo   bool        // it was taken from the store

	// speaks: a worker got ready by its own word, so that the others have to, too.
	speaks atomic.Bool
}

// Prepare looks up and keeps everything that the command needs. Its errors say
// which file is at fault and what to do.
func (l *Launcher) Prepare(c Command) (*Release, error) {
	return l.prepare(c, c.Dir, (*Release).keepBytes)
}

// prepare makes a release that works in dir and whose bytes keep finds.
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

// findTarget looks the program and its script up as the workers would.
func (r *Release) findTarget() error {
	t, err := findTarget(r.command, r.dir, r.searchPath())
	r.aim(t)
	return err
}

func (r *Release) aim(t target) { r.path, r.interpreter = t.path, openInterpreter(t) }

// program is the path of what is exec'd.
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

// isScript says whether what is run is opened by name, after the exec.
func (r *Release) isScript() bool { return r.form == script || r.form == interpreted }

// searchPath is PATH of the workers.
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

// name is the hash that it is known by.
func (r *Release) name() string { return r.about.NameOf(r.sum) }

// Addresses are those of the listeners that its workers inherit.
func (r *Release) Addresses() (all []string) {
	for _, l := range r.command.Listeners {
		all = append(all, l.Address)
	}
	return all
}

// Source is the executable or the script as the command names it: no symbolic link
// on its way is resolved, so that one that moves leads to the next release.
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

// Speaks says whether its workers get ready by their own word.
func (r *Release) Speaks() bool { return r.speaks.Load() }

// ExpectWord has its workers get ready by their own word alone, as those of the release
// before: what can be seen of a worker lets a release pass that hangs right after it has
// opened its listener. Config.Ready has to be auto for it.
func (r *Release) ExpectWord() { r.speaks.Store(true) }

// Interpreted says whether Source is a script that its interpreter reads.
func (r *Release) Interpreted() bool { return r.interpreter != nil }

// Close lets go of the bytes. Their copy stays in the store as long as it is one
// of those that are kept.
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
		r.launcher.warn("old copies of executables stay", "err", err)
	}
	return nil
}
