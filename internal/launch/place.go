package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"relevo/internal/launch/store"
	"relevo/internal/phrase"
	"relevo/internal/safefile"
)

// A script serves what lies beside it: its own bytes do not tell two releases apart. If a
// symbolic link is on the way to the script, as in deploys by a link named "current", the
// directory that the link leads to is a part of the release.

// location says where the parts of a command are now.
type location struct {
	places   []string
	marks    []string // files that show what a script's project is
	version  string   // of that project
	argument int      // index of the file that an interpreter runs; 0: it is used as it is
	target   string   // where that file is, symbolic links resolved
}

// locate finds the parts of a command whose working directory is dir, with symbolic links
// resolved. The program is a script if its first bytes say so.
func locate(c Command, dir string, t target, f form) (l location, err error) {
	if dir != givenDir(c.Dir) {
		l.add(dir)
	}
	if t.script == "" && f != script {
		return l, nil
	}
	around := projectOf(t.path)
	l.marks, l.version = around.marks(), around.describe()
	resolved, err := filepath.EvalSymlinks(t.path)
	if err != nil {
		return l, fmt.Errorf("cannot find the script %s: %w", t.path, err)
	}
	if resolved != filepath.Clean(t.path) {
		l.argument, l.target = t.argument, resolved
		l.add(filepath.Dir(resolved))
	}
	return l, nil
}

func (l *location) add(dir string) {
	if !slices.Contains(l.places, dir) {
		l.places = append(l.places, dir)
	}
}

// under joins dir and a relative path. It does not clean the path, because "link/.." need
// not be the directory in which link lies.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return dir + "/" + path
}

// SumOf returns the sha256 of a file that was hashed for this release and is unchanged.
func (r *Release) SumOf(file *os.File) (sum string, known bool) {
	if r.pathSeal == nil {
		return "", false
	}
	if sum, known = r.pathSeal.SumOf(file); known {
		return sum, true
	}
	r.mu.Lock()
	copied := r.copied
	r.mu.Unlock()
	if copied == nil || !r.pathSeal.Intact(file) {
		return "", false
	}
	// It was fresh: comparing tells that no linker has written to it since.
	return r.pathSeal.SHA256(), copied.Holds(file)
}

// Name returns the hash that a release with these bytes would have if it were prepared
// now. It fails if a link leads nowhere.
func (r *Release) Name(sha256 string) (string, error) {
	for _, way := range r.Ways() {
		if _, err := os.Stat(way); err != nil {
			return "", err
		}
	}
	dir, err := resolveDir(r.command.Dir)
	if err != nil {
		return "", err
	}
	t, err := findTarget(r.command, dir, r.searchPath())
	if err != nil {
		return "", err
	}
	file, err := safefile.Open(t.path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	l, err := locate(r.command, dir, t, formOf(file))
	return store.About{Places: l.places, Marks: l.marks}.NameOf(sha256), err
}

// Ways returns the paths, with symbolic links not resolved, that decide where the release
// lies; none if its bytes alone are the release.
func (r *Release) Ways() (ways []string) {
	if len(r.about.Places) == 0 {
		return nil
	}
	ways = append(ways, givenDir(r.command.Dir))
	if r.interpreter != nil {
		ways = append(ways, r.Source())
	}
	return ways
}

// settle notes where the release lies. All of its workers run there, wherever the links
// lead later.
func (r *Release) settle() error {
	t := target{program: r.program(), path: r.path}
	if i := r.interpreter; i != nil {
		t.script, t.argument = i.script, i.argument
	}
	l, err := locate(r.command, r.dir, t, r.form)
	if err != nil {
		return err
	}
	r.about.Places, r.about.Marks = l.places, l.marks
	if r.about.Version == "" {
		r.about.Version = l.version
	}
	if l.argument > 0 {
		r.about.Argument, r.about.ResolvedArgument = r.command.Args[l.argument], l.target
	}
	return nil
}

// StillThere returns an error if what a kept release needs beside its bytes is gone.
func StillThere(record store.Record) error {
	for _, place := range record.Places {
		if !isDir(place) {
			return fmt.Errorf("cannot use release %s: its directory %s is gone; put it back, or go to another release",
				phrase.Hash(record.SHA256), place)
		}
	}
	if target := record.ResolvedArgument; target != "" {
		if _, err := os.Stat(target); err != nil {
			return fmt.Errorf("cannot use release %s: %w; put it back, or go to another release", phrase.Hash(record.SHA256),
				err)
		}
	}
	return nil
}

// arguments returns the arguments of the workers. A file behind a link is named by its
// resolved path, so that a respawned worker runs the same file after the link has moved.
func (r *Release) arguments() []string {
	if r.about.ResolvedArgument == "" {
		return r.command.Args
	}
	args := slices.Clone(r.command.Args)
	if i := slices.Index(args[1:], r.about.Argument); i >= 0 {
		args[i+1] = r.about.ResolvedArgument
	}
	return args
}
