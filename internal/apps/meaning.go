package apps

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"relevo/internal/config"
)

// Words are the arguments of "relevo start".
type Words struct {
	Args []string
	Dash int  // how many of them come before "--"; -1: there is no "--"
	All  bool // --all
}

// View is what the words may refer to on this machine.
type View struct {
	Defined  []string               // apps that are remembered
	File     bool                   // there is a configuration file in the working directory, or -c names one
	Apps     []string               // of that file; nil: it is one app itself
	Runnable func(word string) bool // a script, a package's directory, or a package manager
	Program  func(word string) bool // a program that PATH has, or a file that can be run
	Exists   func(path string) bool // a file or a directory
}

// Meaning is what to start: a command, a file, or apps. With none of these it is the only app
// of the configuration file.
type Meaning struct {
	Command []string // to run
	Known   []string // remembered apps
	Own     []string // apps of the file
	File    string   // another configuration file, which the words name
	Words   Words
}

// Mean says what the words of a start mean. The name of an app wins over a script or a program
// of the same name, because these can be written with a path.
func (v View) Mean(w Words) (Meaning, error) {
	switch {
	case w.Dash == 0 && len(w.Args) == 0:
		return Meaning{}, errors.New("cannot start: no command follows the --")
	case w.Dash == 0:
		return Meaning{Command: w.Args}, nil
	case w.All && len(w.Args) > 0:
		return Meaning{}, fmt.Errorf("cannot start %s with --all: leave one out", strings.Join(w.Args, " "))
	case w.All, w.Dash < 0 && slices.Equal(w.Args, []string{"all"}) && !slices.Contains(v.Defined, "all"):
		return v.all()
	case len(w.Args) == 0 && v.File:
		return Meaning{Own: v.Apps}, nil
	case len(w.Args) == 0:
		return Meaning{}, errors.New("cannot start: there is no " + config.DefaultFile + " here; name a script, a file, " +
			"an app, or a command behind --: relevo start app.js")
	}
	first := w.Args[0]
	if strings.HasSuffix(first, ".toml") {
		rest := Words{Args: w.Args[1:], Dash: max(w.Dash-1, -1)}
		return Meaning{File: first, Words: rest}, nil
	}
	if w.Dash < 0 {
		if m, named := v.apps(w.Args); named {
			return m, nil
		}
		if _, isApp := v.apps(w.Args[:1]); isApp {
			return Meaning{}, v.unknown(w.Args)
		}
	}
	if strings.Contains(first, "/") && !v.Exists(first) {
		return Meaning{}, fmt.Errorf("cannot start %s: there is no such file", first)
	}
	if w.Dash < 0 && len(w.Args) > 1 && v.isScript(first) && v.isScript(w.Args[1]) {
		return Meaning{}, fmt.Errorf("cannot start %[1]s and %[2]s with one command: start each by itself; "+
			"as an argument of %[1]s, %[2]s follows a --: relevo start %[1]s -- %[2]s", first, w.Args[1])
	}
	if strings.Contains(first, "/") || v.Runnable(first) || v.Program(first) {
		return Meaning{Command: w.Args}, nil
	}
	if v.Exists(first) {
		return Meaning{Command: append([]string{"./" + first}, w.Args[1:]...)}, nil
	}
	return Meaning{}, v.unknown(w.Args)
}

// isScript says whether a word is a script or a package that is there.
func (v View) isScript(word string) bool { return v.Runnable(word) && v.Exists(word) }

// apps are those that the words name, of the file first.
func (v View) apps(words []string) (m Meaning, named bool) {
	for _, word := range words {
		own, isOwn := Match([]string{word}, v.Apps)
		known, isKnown := Match([]string{word}, v.Defined)
		if !isOwn && !isKnown {
			return Meaning{}, false
		}
		m.Own = append(m.Own, own...)
		for _, name := range known {
			if !slices.Contains(v.Apps, name) {
				m.Known = append(m.Known, name)
			}
		}
	}
	m.Own, m.Known = each(m.Own), each(m.Known)
	return m, true
}

// each has every name once, at its first place.
func each(names []string) (once []string) {
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// all returns the remembered apps, or those of the file if there are none.
func (v View) all() (Meaning, error) {
	switch {
	case len(v.Defined) > 0:
		return Meaning{Known: v.Defined}, nil
	case v.File:
		return Meaning{Own: v.Apps}, nil
	}
	return Meaning{}, errors.New("cannot start all apps: none is remembered; relevo start app.js starts and remembers one")
}

// unknown returns the error for a word that is no app, with the app that may be meant.
func (v View) unknown(words []string) error {
	known := slices.Concat(v.Apps, v.Defined)
	word := words[0]
	for _, w := range words {
		if _, ok := Match([]string{w}, known); !ok {
			word = w
			break
		}
	}
	err := fmt.Errorf("cannot start %s: it is no app, no script and no program", word)
	if near := config.Nearest(word, known); near != "" {
		return fmt.Errorf("%w; did you mean %s?", err, near)
	}
	return fmt.Errorf("%w; relevo list shows the apps", err)
}

// Match returns the names that words and patterns match, each once, in order. ok is false if
// a word matches none.
func Match(words, names []string) (matched []string, ok bool) {
	for _, word := range words {
		found := false
		for _, name := range names {
			if is, _ := path.Match(word, name); is || word == name {
				found = true
				if !slices.Contains(matched, name) {
					matched = append(matched, name)
				}
			}
		}
		if !found {
			return nil, false
		}
	}
	return matched, true
}
