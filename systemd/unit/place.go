package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relevo/internal/safefile"
)

// Verb is what a Change does to a file.
type Verb string

// The verbs.
const (
	Write  Verb = "write"
	Keep   Verb = "keep" // it is as wanted
	Remove Verb = "remove"
)

// Change is one file of a plan.
type Change struct {
	Verb Verb
	File
	Path string
}

// Dirs are the directories of units in systemd's order (systemd.unit(5)). relevo writes to the
// first one, which is the administrator's.
func Dirs(user bool, getenv func(string) string) ([]string, error) {
	if !user {
		return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
			"/usr/lib/systemd/system", "/lib/systemd/system"}, nil
	}
	home := getenv("XDG_CONFIG_HOME")
	if home == "" {
		if home = getenv("HOME"); home == "" {
			return nil, errors.New("cannot find the directory of your units: neither XDG_CONFIG_HOME nor HOME is set; set HOME")
		}
		home = filepath.Join(home, ".config")
	}
	return []string{filepath.Join(home, "systemd", "user"), "/etc/systemd/user", "/usr/local/lib/systemd/user",
		"/usr/lib/systemd/user", "/lib/systemd/user"}, nil
}

// Plan lists the changes after which the units of the app name in dirs[0] are exactly these files;
// with no files they are all removed. It neither replaces nor hides units that relevo did not
// write, unless force is set.
func Plan(dirs []string, name string, files []File, force bool) (plan []Change, err error) {
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f.Name] = true
		change := Change{Write, f, filepath.Join(dirs[0], f.Name)}
		for _, dir := range dirs {
			path := filepath.Join(dir, f.Name)
			text, err := readUnit(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return nil, fmt.Errorf("cannot look at the unit that is there: %w", err)
			case !strings.HasPrefix(string(text), Mark) && !force:
				return nil, fmt.Errorf("cannot install %s: %s was not written by relevo; choose another NAME, "+
					"or take its place with --force", f.Name, path)
			case path == change.Path && string(text) == f.Text:
				change.Verb = Keep
			}
		}
		plan = append(plan, change)
	}
	ours, err := installed(dirs[0], name)
	if err != nil {
		return nil, err
	}
	for _, f := range ours {
		if !wanted[f.Name] {
			plan = append(plan, Change{Remove, f, filepath.Join(dirs[0], f.Name)})
		}
	}
	return plan, nil
}

// readUnit returns nothing for files that cannot be a unit of relevo: a device (a masked unit is
// one), a pipe, or a file of more than a megabyte.
func readUnit(path string) ([]byte, error) {
	text, err := safefile.Read(path, 1<<20)
	var large *safefile.TooLargeError
	if errors.Is(err, safefile.ErrNotRegular) || errors.As(err, &large) {
		return nil, nil
	}
	return text, err
}

// installed finds the units of an app that relevo wrote.
func installed(dir, name string) (files []File, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, name+"*"))
	if err != nil {
		return nil, fmt.Errorf("cannot look for units in %s: %w", dir, err)
	}
	for _, path := range paths {
		text, err := readUnit(path)
		if err != nil || !strings.HasPrefix(string(text), Mark) {
			continue
		}
		base := filepath.Base(path)
		ofApp := strings.HasSuffix(base, ".socket") && strings.Contains(string(text), "\nService="+name+".service\n")
		if base == name+".service" || ofApp {
			files = append(files, File{base, string(text)})
		}
	}
	return files, nil
}

// Apply makes one change, atomically.
func (c Change) Apply() error {
	switch c.Verb {
	case Keep:
		return nil
	case Remove:
		if err := os.Remove(c.Path); err != nil {
			return fmt.Errorf("cannot take the unit away: %w", err)
		}
		return nil
	}
	err := safefile.MkdirAll(filepath.Dir(c.Path), 0o755, 0o755)
	if err == nil {
		err = writeAtomically(c.Path, c.Text)
	}
	if err != nil {
		return fmt.Errorf("cannot write the unit: %w", err)
	}
	return nil
}

func writeAtomically(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".relevo-*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
