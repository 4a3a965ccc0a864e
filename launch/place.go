package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/safefile"
	"relevo/launch/store"
)

// What a script or an interpreter serves lies beside it, not in the bytes that are
// run. Where a symbolic link is on the way to it, as in deploys by a link named
// "current", the place that the link leads to is a part of what a release is.

// interprets says whether a program runs a file which its arguments name.
func interprets(program string) bool {
	switch strings.TrimRight(filepath.Base(program), "-.0123456789") {
	case "node", "nodejs", "bun", "deno", "python", "pypy", "ruby", "jruby", "perl", "php", "sh", "bash", "dash", "ash", "ksh",
		"zsh", "fish", "java", "dotnet", "lua", "luajit", "Rscript", "tclsh", "guile", "elixir", "escript":
		return true
	}
	return false
}

// location is where a command's parts lie now.
type location struct {
	places   []string
	argument int    // index of the file that an interpreter runs; 0: none that is placed
	target   string // where that file is, symbolic links resolved
}

// locate finds the places of a command whose working directory is dir, resolved,
// and whose executable is at path.
func locate(c Command, dir, path string, f form) (l location, err error) {
	if dir != givenDir(c.Dir) {
		l.add(dir)
	}
	if f == script {
		resolved, err := filepath.EvalSymlinks(path)
		if err != nil {
			return l, fmt.Errorf("cannot find the script %s: %w", path, err)
		}
		if resolved != filepath.Clean(path) {
			l.add(filepath.Dir(resolved))
		}
	}
	i := fileArgument(c.Args, dir)
	if i == 0 {
		return l, nil
	}
	given := under(dir, c.Args[i])
	resolved, err := filepath.EvalSymlinks(given)
	if err != nil {
		return l, fmt.Errorf("cannot find the script %s: %w", given, err)
	}
	if resolved != filepath.Clean(given) {
		l.argument, l.target = i, resolved
		l.add(filepath.Dir(resolved))
	}
	return l, nil
}

func (l *location) add(dir string) {
	if !slices.Contains(l.places, dir) {
		l.places = append(l.places, dir)
	}
}

// fileArgument is the index of the first argument of an interpreter that is a
// file, 0 if there is none.
func fileArgument(args []string, dir string) int {
	if !interprets(args[0]) {
		return 0
	}
	for i, arg := range args[1:] {
		if arg == "" || strings.HasPrefix(arg, "-") || strings.ContainsAny(arg, "{\x00") {
			continue
		}
		if info, err := os.Stat(under(dir, arg)); err == nil && info.Mode().IsRegular() {
			return i + 1
		}
	}
	return 0
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
	path, err := findExecutable(r.command.Args[0], dir, r.searchPath())
	if err != nil {
		return "", err
	}
	file, err := safefile.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	l, err := locate(r.command, dir, path, formOf(file))
	return store.Name(sha256, l.places), err
}

// Ways are the paths, symbolic links not resolved, on which links decide where the
// release lies. None: its bytes are all that it is.
func (r *Release) Ways() (ways []string) {
	if len(r.about.Places) == 0 {
		return nil
	}
	ways = append(ways, givenDir(r.command.Dir))
	if r.about.Argument != "" {
		ways = append(ways, under(givenDir(r.command.Dir), r.about.Argument))
	}
	return ways
}

// settle notes where the release lies, which from then on is the same for all of
// its workers.
func (r *Release) settle() error {
	l, err := locate(r.command, r.dir, r.path, r.form)
	if err != nil {
		return err
	}
	r.about.Places = l.places
	if l.argument > 0 {
		r.about.Argument, r.about.ResolvedArgument = r.command.Args[l.argument], l.target
	}
	return nil
}

// StillThere says whether a release can lie where it lay when it was kept.
func StillThere(record store.Record) error {
	for _, place := range record.Places {
		if !isDir(place) {
			return fmt.Errorf("cannot use release %s: its directory %s is gone; put it back, or go to another release", store.Short(record.SHA256), place)
		}
	}
	if target := record.ResolvedArgument; target != "" {
		if _, err := os.Stat(target); err != nil {
			return fmt.Errorf("cannot use release %s: %w; put it back, or go to another release", store.Short(record.SHA256), err)
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
