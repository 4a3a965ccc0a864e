package apps

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/safefile"
)

// Definition says how an app is started again.
type Definition struct {
	Name    string   `json:"name"`
	Config  string   `json:"config"`            // the configuration file, absolute
	Written bool     `json:"written,omitempty"` // relevo wrote it
	App     string   `json:"app,omitempty"`     // which of the file's apps; empty: it has one
	Profile string   `json:"profile,omitempty"` // of the file
	Flags   []string `json:"flags,omitempty"`   // beside the file, as relevo run takes them
	Dir     string   `json:"directory"`         // in which it was started
	Command []string `json:"command,omitempty"` // that was named at the start
	Path    string   `json:"path,omitempty"`    // PATH of the start
	Failure string   `json:"failure,omitempty"` // why the last start failed; empty: it did not

	// Serving are the variables of the first start that decide where and how the program
	// serves. A start from another shell, or at boot, uses them again, so that the program
	// does not bind another port.
	Serving map[string]string `json:"serving,omitempty"`
}

// ServingOf picks these variables. The rest of an environment is not kept, for its secrets.
func ServingOf(getenv func(string) string) map[string]string {
	found := map[string]string{}
	for _, name := range []string{"PORT", "HOST", "NODE_ENV"} {
		if value := getenv(name); value != "" {
			found[name] = value
		}
	}
	return found
}

// SameApp says whether both start the same program, whatever the flags.
func (d Definition) SameApp(o Definition) bool {
	return d.Config == o.Config && d.App == o.App && d.Dir == o.Dir && slices.Equal(d.Command, o.Command)
}

// String names what is started.
func (d Definition) String() string {
	switch {
	case len(d.Command) > 0:
		return strings.Join(d.Command, " ") + " in " + d.Dir
	case d.App != "":
		return d.App + " of " + d.Config
	}
	return d.Config
}

// OverFlags joins flags of relevo run, written --NAME=VALUE. The stronger ones replace the
// others of the same name.
func OverFlags(flags, stronger []string) []string {
	given := map[string]bool{}
	for _, flag := range stronger {
		name, _, _ := strings.Cut(flag, "=")
		given[name] = true
	}
	kept := slices.DeleteFunc(slices.Clone(flags), func(flag string) bool {
		name, _, _ := strings.Cut(flag, "=")
		return given[name]
	})
	return append(kept, stronger...)
}

// Places are where the documents of one app lie.
type Places struct{ config.Places }

func (p Places) definition(name string) string {
	return filepath.Join(p.AppState(name), "definition.json")
}

// WrittenFile is the configuration file that a start from flags writes.
func (p Places) WrittenFile(name string) string {
	return filepath.Join(p.AppState(name), config.DefaultFile)
}

// LogDir is where the output of an app goes.
func (p Places) LogDir(name string) string { return filepath.Join(p.AppState(name), "log") }

// maxDefinition is the largest definition that is read, in bytes.
const maxDefinition = 1 << 20

// Load returns the definition of an app, nil if there is none.
func (p Places) Load(name string) (*Definition, error) {
	text, err := safefile.ReadOwn(p.definition(name), maxDefinition)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	d := &Definition{}
	if err == nil {
		err = json.Unmarshal(text, d)
	}
	if err == nil && d.Name != name {
		err = fmt.Errorf("it speaks of %q", d.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read how %[1]s is started: %[2]w (%[3]s); relevo delete %[1]s forgets it",
			name, err, p.definition(name))
	}
	return d, nil
}

// Names returns the apps that have a definition, sorted.
func (p Places) Names() ([]string, error) {
	entries, err := os.ReadDir(p.State)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, LookFailed(err)
	}
	var names []string
	for _, entry := range entries {
		if config.CheckName(entry.Name()) != nil {
			continue
		}
		if _, err := os.Lstat(p.definition(entry.Name())); err == nil {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// LookFailed is the error where the directory of all apps cannot be read.
func LookFailed(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return control.WithExit(fmt.Errorf("cannot look for apps: %w; it belongs to another user, and RELEVO_STATE_DIR "+
			"chooses another place", err), control.ExitNotPermitted)
	}
	return fmt.Errorf("cannot look for apps: %w", err)
}

// Forget removes the definition of an app. Its other files stay: Purge removes them, too.
func (p Places) Forget(name string) error {
	return removeAll(p.definition(name), p.WrittenFile(name))
}

// Purge removes everything that relevo has stored for an app: releases, logs and legacy.
func (p Places) Purge(name string) error {
	if err := os.RemoveAll(p.AppState(name)); err != nil {
		return fmt.Errorf("cannot remove the files of %s: %w", name, err)
	}
	return nil
}

func removeAll(paths ...string) error {
	var errs []error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
