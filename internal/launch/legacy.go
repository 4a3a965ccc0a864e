package launch

import (
	"encoding/json"
	"fmt"
	"os"

	"relevo/internal/launch/store"
	"relevo/pool"
)

// releaseLegacy is what the next master needs to know about a release, besides its
// configuration and its files.
type releaseLegacy struct {
	Dir      string      `json:"dir"`
	Env      []string    `json:"env,omitempty"` // as it was read: the files may have changed
	Path     string      `json:"path"`
	Resolved string      `json:"resolved,omitempty"`
	Form     form        `json:"form"`
	Program  string      `json:"program,omitempty"` // the interpreter of a script
	Script   string      `json:"script,omitempty"`  // as its command line names it
	Argument int         `json:"argument,omitempty"`
	About    store.About `json:"about"`
	SHA256   string      `json:"sha256,omitempty"`
	Seal     *store.Seal `json:"seal,omitempty"`
	PathSeal *store.Seal `json:"path_seal,omitempty"`
	Copied   bool        `json:"copied,omitempty"`
	Speaks   bool        `json:"speaks,omitempty"`
	Account  *Account    `json:"account,omitempty"` // as it was looked up: it may be removed by now
	GoneBack bool        `json:"gone_back,omitempty"`
}

// Names of a release's files.
const (
	executableFile  = "exe"
	interpreterFile = "interpreter"
	directoryFile   = "dir"
)

// Legacy returns what TakeOver needs to make this release again: pool.Release.
func (r *Release) Legacy() pool.ReleaseLegacy {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := releaseLegacy{
		Dir: r.dir, Env: r.env, Path: r.path, Resolved: r.resolved, Form: r.form, About: r.about, SHA256: r.sum,
		Seal: r.seal, PathSeal: r.pathSeal, Copied: r.copied != nil, Account: r.account, GoneBack: r.goneBackTo,
		Speaks: r.speaks.Load(),
	}
	files := map[string]*os.File{directoryFile: r.dirFile}
	if i := r.interpreter; i != nil {
		known.Program, known.Script, known.Argument = i.path, i.script, i.argument
		if i.file != nil {
			files[interpreterFile] = i.file
		}
	}
	state, err := json.Marshal(known)
	if err != nil {
		panic(fmt.Sprintf("internal error: launch: %v", err)) // it holds nothing that can fail
	}
	if r.file != nil {
		files[executableFile] = r.file
	}
	return pool.ReleaseLegacy{State: state, Files: files}
}

// enterDir opens the working directory by its path where that still names the directory of the
// legacy. A master that systemd has started may have a mount namespace of its own: the
// directory in the namespace of the former master has no path once that is gone, so that
// programs could not find out where they are.
func (r *Release) enterDir() error {
	former := r.dirFile
	now, err := openDir(r.dir)
	if former == nil {
		r.dirFile = now
		return err
	}
	if err != nil { // it was deleted: the workers stay in what is left of it
		return nil
	}
	same, err := now.Stat()
	if before, failed := former.Stat(); err == nil && failed == nil && os.SameFile(before, same) {
		r.dirFile = now
		former.Close()
		return nil
	}
	now.Close()
	return nil
}

// User returns the user and group that the workers of the release run as.
func (r *Release) User() (uid, gid int) {
	if r.account == nil {
		return os.Geteuid(), os.Getegid()
	}
	return r.account.UID, r.account.GID
}

// TakeOver makes a release again that another master has prepared: the same bytes,
// directory and environment, even if the files have changed since. It takes over the
// legacy's files.
func (l *Launcher) TakeOver(c Command, legacy pool.ReleaseLegacy) (*Release, error) {
	var known releaseLegacy
	if err := json.Unmarshal(legacy.State, &known); err != nil {
		return nil, fmt.Errorf("cannot read what is known of a release: %w", err)
	}
	r := &Release{
		launcher: l, command: c, dir: known.Dir, env: known.Env, path: known.Path, resolved: known.Resolved, form: known.Form,
		goneBackTo: known.GoneBack, about: known.About, sum: known.SHA256, seal: known.Seal, pathSeal: known.PathSeal,
		file: legacy.Files[executableFile], dirFile: legacy.Files[directoryFile],
	}
	r.speaks.Store(known.Speaks)
	if known.Script != "" {
		r.interpreter = &interpreter{path: known.Program, file: legacy.Files[interpreterFile], script: known.Script,
			argument: known.Argument}
		if r.interpreter.file != nil {
			r.interpreter.form = formOf(r.interpreter.file)
		}
	}
	err := r.enterDir()
	if err != nil {
		return nil, fmt.Errorf("cannot use the working directory: %w", err)
	}
	if r.account = known.Account; r.account == nil {
		if r.account, err = LookUpUser(c.Limits.User, c.Limits.Group); err != nil {
			r.Close()
			return nil, err
		}
	}
	if known.Copied && l.store != nil {
		if r.copied, err = l.store.Get(r.name()); err == nil {
			if err = r.admit(r.copied); err != nil {
				r.copied.Close()
				r.copied = nil
			}
		}
		if err != nil {
			l.warn("the copy of a release is lost: its open file is used instead", "err", err)
		}
	}
	return r, nil
}
