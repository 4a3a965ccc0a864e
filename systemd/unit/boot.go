package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"relevo/internal/config"
)

// Boot describes the unit that starts a remembered app at boot, as relevo start does. It restricts
// the workers in nothing. App, Name, Program and Arguments are required.
type Boot struct {
	App       config.App
	Name      string
	Program   string   // the relevo binary, absolute
	Arguments []string // of relevo
	Dir       string   // working directory
	Variables []string // NAME=VALUE, of its environment
	EnvFile   string   // file with further variables, which other users cannot read
	User      bool     // for a user's manager
	Systemd   int      // its version
}

// BootMark is the beginning of the units of Boot.
const BootMark = Mark + " (relevo startup"

// File makes the unit.
func (b Boot) File() (File, error) {
	if err := errors.Join(config.CheckName(b.Name), checkName(b.Name)); err != nil {
		return File{}, err
	}
	o := Options{App: b.App, Name: b.Name, Program: b.Program, User: b.User, Systemd: b.Systemd}
	t := &text{}
	t.comment(BootMark[2:]+" "+b.Name+"): relevo start and startup overwrite it, relevo unstartup removes it.",
		"It runs the app as relevo start does, and forbids the workers nothing; relevo install makes a unit that does.")
	t.section("Unit")
	t.set("Description", strings.ReplaceAll(b.Name, "%", "%%")+" (relevo)")
	t.set("Documentation", "man:sd_notify(3) man:systemd.service(5)")
	o.network(t)
	for _, other := range b.App.After {
		t.set("After", other+".service")
	}
	t.comment("A master that fails is always started again; the workers it left keep serving meanwhile.")
	t.set("StartLimitIntervalSec", 0)
	t.section("Service")
	o.life(t, append([]string{b.Program}, b.Arguments...), false)
	o.ending(t)
	t.comment("As it was started by hand. The directory may be gone when a master is started that finds workers.")
	t.set("WorkingDirectory", "-"+path(b.Dir))
	for _, variable := range b.Variables {
		t.set("Environment", strconv.Quote(strings.ReplaceAll(variable, "%", "%%")))
	}
	if b.EnvFile != "" {
		t.set("EnvironmentFile", "-"+path(b.EnvFile))
	}
	delegate(t)
	limits(t)
	o.wanted(t)
	return File{b.Name + ".service", t.String()}, nil
}

// Found is the unit that is installed under the name of an app.
type Found struct {
	Path string // empty: nothing
	Text string
}

// IsBoot says whether it is a unit of Boot.
func (f Found) IsBoot() bool { return strings.HasPrefix(f.Text, BootMark) }

// IsOurs says whether relevo has written it.
func (f Found) IsOurs() bool { return strings.HasPrefix(f.Text, Mark) }

// Find returns the service of an app's name from the directories of Dirs; the first that has it
// counts.
func Find(dirs []string, name string) (Found, error) {
	for _, dir := range dirs {
		at := filepath.Join(dir, name+".service")
		text, err := readUnit(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return Found{}, fmt.Errorf("cannot look at the unit that is there: %w", err)
		}
		return Found{at, string(text)}, nil
	}
	return Found{}, nil
}

// RuntimeDir is the directory of units that last until the next boot.
func RuntimeDir(user bool, getenv func(string) string) string {
	if user {
		return filepath.Join(getenv("XDG_RUNTIME_DIR"), "systemd", "user")
	}
	return "/run/systemd/system"
}

// Environment is the text of a file for EnvironmentFile=. Values that the format cannot hold are
// omitted.
func Environment(variables []string) []byte {
	var text strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`)
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		if name == "" || strings.ContainsAny(name, " \t\n\"'\\#;") || strings.ContainsRune(value, 0) {
			continue
		}
		fmt.Fprintf(&text, "%s=\"%s\"\n", name, escape.Replace(value))
	}
	return []byte(text.String())
}

// Put writes a unit atomically.
func (f File) Put(dir string) error {
	return Change{Write, f, filepath.Join(dir, f.Name)}.Apply()
}

// Take removes a unit that Find has found.
func (f Found) Take() error {
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot take the unit away: %w", err)
	}
	return nil
}
