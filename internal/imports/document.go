package imports

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/lazyregexp"
)

// Document is the content of a foreign file.
type Document struct {
	From    string   // path of the file, as the user named it
	Remarks []string // about the file as a whole
	Apps    []App
	Dev     bool // the apps are for relevo dev
}

// App is one app of a foreign file.
type App struct {
	Name     string
	Remarks  []string
	Settings []Setting
	Tables   []Table
	LeftOut  string // the reason why relevo cannot run it; empty: it can
}

// Table is one of an array of tables, such as [[app.NAME.dev.rules]].
type Table struct {
	Name     string // without that of the app
	Settings []Setting
}

// Setting is one line of relevo.toml.
type Setting struct {
	Table  string // of the app's table: limits, env; empty: the app's own
	Key    string
	Value  any // string, int, bool or []string
	Remark string
}

// Source describes the surroundings of a foreign file.
type Source struct {
	Path   string                 // as the user named it
	Base   string                 // absolute directory of the file; empty: relevo.toml is beside it
	Name   string                 // for an app without one
	CPUs   int                    // that relevo may use here
	Exists func(path string) bool // relative to the file's directory
	Read   func(path string) ([]byte, error)
	// Application is the application, MODULE:NAME, that gunicorn would find in the file's
	// directory; empty: none.
	Application func(async bool) string
	Host        Host
}

// Names are the names of the apps that relevo can run.
func (d *Document) Names() (names []string) {
	for _, app := range d.Apps {
		if app.LeftOut == "" {
			names = append(names, app.Name)
		}
	}
	return names
}

// Profiles returns the profiles of an app, or of all apps if name is empty.
func (d *Document) Profiles(name string) (all []string) {
	for _, app := range d.Apps {
		for _, s := range app.Settings {
			rest, ok := strings.CutPrefix(s.Table, "profile.")
			profile, _, _ := strings.Cut(rest, ".")
			if ok && (name == "" || app.Name == name) && !slices.Contains(all, profile) {
				all = append(all, profile)
			}
		}
	}
	return all
}

// Only returns the document with one of its apps.
func (d *Document) Only(name string) *Document {
	one := *d
	one.Apps = slices.DeleteFunc(slices.Clone(d.Apps), func(a App) bool { return a.Name != name || a.LeftOut != "" })
	return &one
}

func (a *App) set(table, key string, value any, remark string) {
	a.Settings = append(a.Settings, Setting{table, key, value, remark})
}

func (a *App) remark(format string, args ...any) {
	a.Remarks = append(a.Remarks, fmt.Sprintf(format, args...))
}

// absoluteBelow is a path of the foreign file as relevo.toml has it.
func absoluteBelow(base, path string) string {
	if base != "" && !filepath.IsAbs(path) {
		return filepath.Join(base, path)
	}
	return path
}

// directory sets the app's working directory from the foreign file.
func (a *App) directory(s Source, dir string) {
	if dir = absoluteBelow(s.Base, dir); dir != "" {
		a.set("", "directory", dir, "")
	}
}

// add adds an app, and makes its name unique.
func (d *Document) add(app App) {
	wanted := app.Name
	taken := func(other App) bool { return other.Name == app.Name }
	for n := 2; slices.ContainsFunc(d.Apps, taken); n++ {
		app.Name = fmt.Sprintf("%s-%d", wanted, n)
	}
	if app.Name != wanted {
		app.remark("name: another app is called %s, too; names are unique here", wanted)
	}
	d.Apps = append(d.Apps, app)
}

var filledIn = lazyregexp.New(`\{(:*(?:fd|addr|slot|out)(?::[A-Za-z0-9._-]+)?\})`)

// literal escapes braces, which relevo would replace.
func literal(text string) string { return filledIn.ReplaceAllString(text, "{:$1") }

// words splits a command line at white space outside of quotes.
func words(line string) (all []string) {
	var word strings.Builder
	var quote rune
	begun, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			begun, quote = true, r
		case quote == 0 && strings.ContainsRune(" \t\r\n", r):
			if begun {
				all = append(all, word.String())
				word.Reset()
			}
			begun = false
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if begun {
		all = append(all, word.String())
	}
	return all
}

// ofShell are the characters that only a shell interprets.
const ofShell = "$`|&;<>()*?[]~#\n"

var assignments = lazyregexp.New(`^(\s*[A-Za-z_][A-Za-z0-9_]*=[^\s'"$` + "`" + `\\]*\s+)*`)

// becoming makes a shell exec the single program that it runs, so that signals reach the program.
func becoming(line string) string {
	before := assignments.FindString(line)
	rest := line[len(before):]
	simple := !strings.ContainsAny(line, ";|&<>()`\n") && rest != "" && !strings.Contains(words(rest)[0], "=")
	if !simple || slices.Contains(builtins, words(rest)[0]) {
		return line
	}
	return before + "exec " + rest
}

// builtins are shell commands that are no programs.
var builtins = []string{"exec", "cd", ".", "source", "if", "while", "until", "for", "case", "{", "!", "eval", "set",
	"export", "trap", "ulimit", "umask", "wait"}

// command turns a command line into a command of relevo, through a shell only if it needs one.
func command(line string) []string {
	all := words(line)
	if len(all) == 0 {
		return nil
	}
	if strings.ContainsAny(line, ofShell) || strings.Contains(all[0], "=") {
		return []string{"sh", "-c", literal(becoming(line))}
	}
	for i := range all {
		all[i] = literal(all[i])
	}
	return all
}
