package imports

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Document is what a foreign file says.
type Document struct {
	From    string   // the file, as it was named
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
	LeftOut  string // why relevo cannot run it; empty: it can
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

// Source is where a foreign file lies.
type Source struct {
	Path   string                 // as it was named
	Base   string                 // absolute, where relevo.toml lies elsewhere; empty: it lies beside the file
	Name   string                 // of an app that has none
	CPUs   int                    // that relevo may use here
	Exists func(path string) bool // relative to the file's directory
	Read   func(path string) ([]byte, error)
	// Application is what gunicorn would serve of the file's directory, MODULE:NAME; empty: nothing.
	Application func(async bool) string
	Host        Host
}

// Names are those of the apps that relevo can run.
func (d *Document) Names() (names []string) {
	for _, app := range d.Apps {
		if app.LeftOut == "" {
			names = append(names, app.Name)
		}
	}
	return names
}

// Only is the document with one app.
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

// directory sets where the app works, as the foreign file says it.
func (a *App) directory(s Source, dir string) {
	if dir = absoluteBelow(s.Base, dir); dir != "" {
		a.set("", "directory", dir, "")
	}
}

// add gives an app a name that no other one has.
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

var filledIn = regexp.MustCompile(`\{(:*(?:fd|addr|slot|out)(?::[A-Za-z0-9._-]+)?\})`)

// literal keeps braces from being filled in by relevo.
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

// ofShell are the characters that only a shell understands.
const ofShell = "$`|&;<>()*?[]~#\n"

var assignments = regexp.MustCompile(`^(\s*[A-Za-z_][A-Za-z0-9_]*=[^\s'"$` + "`" + `\\]*\s+)*`)

// becoming has a shell that runs one program become it, so that signals reach the program.
func becoming(line string) string {
	before := assignments.FindString(line)
	rest := line[len(before):]
	simple := !strings.ContainsAny(line, ";|&<>()`\n") && rest != "" && !strings.Contains(words(rest)[0], "=")
	if !simple || slices.Contains(builtins, words(rest)[0]) {
		return line
	}
	return before + "exec " + rest
}

// builtins of shells are no programs.
var builtins = []string{"exec", "cd", ".", "source", "if", "while", "until", "for", "case", "{", "!", "eval", "set",
	"export", "trap", "ulimit", "umask", "wait"}

// command is a command line as one of relevo's: by a shell only where it needs one.
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
