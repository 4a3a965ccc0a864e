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

// What a script or an interpreter serves lies beside it, not in the bytes that are
// run. Where a symbolic link is on the way to it, as in deploys by a link named
// "current", the place that the link leads to is a part of what a release is.

// location is where a command's parts lie now.
type location struct {
	places   []string
	marks    []string // of the project around a script
	version  string   // of it
	argument int      // index of the file that an interpreter runs; 0: none that is placed
	target   string   // where that file is, symbolic links resolved
}

// locate finds the places of a command whose working directory is dir, resolved.
// The program is a script if its first bytes say so.
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

// under is a path that counts from dir. It is not made shorter: "link/.." is not
// where it seems to be.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return dir + "/" + path
}

// Name is the hash by which a release with these bytes would be known if it were
// prepared now. The error is that of a link that leads nowhere.
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

// Ways are the paths, symbolic links not resolved, on which links decide where the
// release lies. None: its bytes are all that it is.
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

// settle notes where the release lies, which from then on is the same for all of
// its workers.
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

// StillThere says whether a release can lie where it lay when it was kept.
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

// arguments are those that workers get: a file behind a link is named by where it
// lies, so that a link that moves changes nothing for a respawn.
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
