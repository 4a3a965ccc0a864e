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

// form is how the kernel runs an executable's bytes.
type form int

const (
	otherForm form = iota // unknown to relevo; the kernel may know it
	elfForm
	script      // begins with #!
	interpreted // an argument of its interpreter names it
)

func formOf(file *os.File) form {
	head := make([]byte, 4)
	n, _ := file.ReadAt(head, 0)
	switch head := string(head[:n]); {
	case head == "\x7fELF":
		return elfForm
	case n >= 2 && head[:2] == "#!":
		return script
	}
	return otherForm
}

// keepBytes opens the executable and makes its copy.
func (r *Release) keepBytes() error {
	if err := r.findTarget(); err != nil {
		return err
	}
	file, err := safefile.Open(r.path)
	if err != nil {
		// Execute permission alone is enough to run a program, but not to keep
		// its bytes.
		if r.command.ExecFrom == config.ExecSnapshot {
			return fmt.Errorf("cannot keep a copy of %s: %w; let this user read it, or set exec_from to path", r.path, err)
		}
		r.launcher.warn("cannot read the executable: a rollback would run the bytes that the path holds then", "path", r.path,
			"err", err)
		return nil
	}
	r.file = file
	r.form = r.formOf(file)
	r.resolved, _ = filepath.EvalSymlinks(r.path)
	r.about = store.About{
		Version: versionOf(file), Source: r.path, Resolved: r.resolved, Script: r.form == script,
		Interpreted: r.form == interpreted,
		Dir:         givenDir(r.command.Dir), ResolvedDir: r.dir,
	}
	if err := r.settle(); err != nil {
		return err
	}
	if err := r.sealAndCopy(); err != nil {
		return err
	}
	r.pathSeal = r.seal
	return nil
}

// givenDir returns a working directory as the configuration names it.
func givenDir(dir string) string {
	if given, err := filepath.Abs(dir); err == nil {
		return given
	}
	return dir
}

// sealAndCopy hashes the executable and copies it, in one pass. If the file's times change
// meanwhile it is read again. The same bytes then show that it was not written to: a new link
// to a file changes its times, too.
func (r *Release) sealAndCopy() error {
	before := ""
	for range 3 {
		var err error
		if r.seal, err = store.Note(r.file); err != nil {
			return fmt.Errorf("cannot look at %s: %w", r.path, err)
		}
		if err := r.copyOrNot(); err != nil {
			return err
		}
		same, err := r.hash()
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", r.path, err)
		}
		if (r.seal.Intact(r.file) || r.sum == before) && same {
			return nil
		}
		before = r.sum
		if r.copied != nil {
			r.copied.Close()
			r.copied = nil
		}
	}
	return fmt.Errorf("cannot keep a copy of %s: it is being written to; try again when it is finished", r.path)
}

// hash takes the hash of the copy, or reads the executable. same says whether they agree.
func (r *Release) hash() (same bool, err error) {
	if r.copied == nil {
		err = r.seal.Hash(r.file)
	} else {
		err = r.seal.As(r.copied, r.file)
	}
	r.sum = r.seal.SHA256()
	if changed := new(store.ChangedError); errors.As(err, &changed) {
		return false, nil
	}
	return err == nil, err
}

const openFileServes = "no copy of the executable: its open file is used instead"

// wantsCopy says whether a copy is useful. It is not if no argument can name it, or if it
// is an interpreter of the system's packages.
func (r *Release) wantsCopy() bool {
	if r.form == interpreted {
		return r.interpreter.argument > 0
	}
	return !belongsToSystem(r.command.Args[0], r.path)
}

// copyOrNot decides whether a release without a copy is an error.
func (r *Release) copyOrNot() error {
	keeps, must := r.launcher.store, r.command.ExecFrom == config.ExecSnapshot
	switch {
	case r.form == interpreted && must && !r.wantsCopy():
		return fmt.Errorf("cannot run %s from a copy: its interpreter finds it by itself; name the file in the command, "+
			"or set exec_from to auto", r.path)
	case !must && !r.wantsCopy():
		return nil
	}
	if keeps == nil {
		if must {
			return fmt.Errorf("cannot run %s from a copy: there is no place for copies; set exec_from to auto", r.path)
		}
		r.launcher.goesWithoutCopy("path", r.path)
		return nil
	}
	var err error
	if r.copied, err = r.keep(filepath.Base(r.path)); err == nil {
		r.launcher.copyless.Store(false)
		return nil
	}
	err = fmt.Errorf("cannot keep a copy of %s (%s): %w", r.path, store.Bytes(r.seal.Size()), err)
	if full := new(store.FullError); errors.As(err, &full) && (must || r.command.NeedCopy) {
		return fmt.Errorf("%w; free some, or set RELEVO_STATE_DIR to another disk", err)
	}
	// A script without a copy runs whatever lies at its path later.
	if access := new(store.AccessError); errors.As(err, &access) && r.isScript() && r.command.NeedCopy {
		return err
	}
	if must {
		return fmt.Errorf("%w; set RELEVO_STATE_DIR to another place, or exec_from to auto", err)
	}
	r.launcher.goesWithoutCopy("err", err)
	return nil
}

// goesWithoutCopy warns that there is no copy, once until a copy succeeds again, and not
// at each roll.
func (l *Launcher) goesWithoutCopy(args ...any) {
	if l.copyless.CompareAndSwap(false, true) {
		l.warn(openFileServes, args...)
	}
}

// PrepareStored is Prepare for a rollback: with the bytes of a release in the store,
// whatever the command's path has now.
func (l *Launcher) PrepareStored(c Command, sha256 string) (*Release, error) {
	if l.store == nil {
		return nil, fmt.Errorf("cannot use release %s: no copies of executables are kept", phrase.Hash(sha256))
	}
	record, err := l.store.Find(sha256)
	if err != nil {
		return nil, err
	}
	if err := StillThere(record); err != nil {
		return nil, err
	}
	dir := c.Dir
	// A symbolic link in the directory's path may lead to another release now.
	if len(record.Places) > 0 || record.Dir == givenDir(c.Dir) && isDir(record.ResolvedDir) {
		dir = record.ResolvedDir
	}
	return l.prepare(c, dir, func(r *Release) error { return r.takeStored(record) })
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// takeStored takes the bytes from the store. It also looks for a path that holds them.
func (r *Release) takeStored(record store.Record) (err error) {
	r.goneBackTo = true
	t, err := r.targetOfStored(record)
	if err != nil {
		return err
	}
	r.aim(t)
	if r.copied, err = r.launcher.store.Get(record.SHA256); err != nil {
		return err
	}
	if r.file, err = r.copied.Open(); err != nil {
		return fmt.Errorf("cannot use release %s: %w", phrase.Hash(record.SHA256), err)
	}
	r.seal, r.about, r.form = r.copied.Seal(), record.About, r.formOf(r.file)
	if err := r.admit(r.copied); err != nil {
		return fmt.Errorf("cannot use release %s: %w", phrase.Hash(record.SHA256), err)
	}
	r.sum, r.resolved = r.seal.SHA256(), record.Resolved
	for _, path := range r.originals() {
		if seal := sealOfPath(path, r.seal); seal != nil {
			r.pathSeal = seal
			r.resolved, _ = filepath.EvalSymlinks(path)
			break
		}
	}
	if r.pathSeal == nil && r.command.ExecFrom == config.ExecPath {
		return fmt.Errorf("cannot use release %s: %s no longer holds its bytes; put them back, or set exec_from to auto",
			phrase.Hash(r.name()), r.path)
	}
	return nil
}

// sealOfPath seals the file at a path if it may be run and holds these bytes.
func sealOfPath(path string, bytes *store.Seal) *store.Seal {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != bytes.Size() || !mayExecute(path) {
		return nil
	}
	file, err := safefile.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	seal, err := store.SealOf(file)
	if err != nil || seal.SHA256() != bytes.SHA256() {
		return nil
	}
	return seal
}
