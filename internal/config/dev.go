package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Dev are the settings of `relevo dev`. Other commands ignore them.
type Dev struct {
	Package  string   // the Go package that is built and run; empty: none
	Build    string   // shell command that builds; {out} is where it writes to
	Watch    []string // patterns of the watched files; a pattern that begins with ! excludes files
	NoIgnore bool     // .gitignore and .ignore are not read
	Debounce time.Duration
	Proxy    string // address of the browser's proxy; empty: none
	Open     bool   // open the browser
	Delve    bool   // build for the debugger
	Rules    []DevRule
}

// DevRule is a step before the build, run when one of its inputs has changed.
type DevRule struct {
	Name    string
	Inputs  []string // patterns, as in Dev.Watch
	Command string   // for the shell
}

// Defaults of Dev.
const (
	DefaultDebounce = 50 * time.Millisecond
	DefaultProxy    = "127.0.0.1:7331"
)

// devPrefix begins the keys of settings that only `relevo dev` has.
const devPrefix = "dev."

// OfDev says whether only `relevo dev` has the setting.
func (s Setting) OfDev() bool { return strings.HasPrefix(s.Key, devPrefix) }

func devSettings() []Setting {
	return []Setting{
		one("dev.package", "", plain("PACKAGE", "./cmd/shop"), Restart, func(a *App) *string { return &a.Dev.Package },
			"the Go package to build and run; command, if set, gives its arguments"),
		one("dev.build", "build", plain("COMMAND", "make server"), Restart, func(a *App) *string { return &a.Dev.Build },
			"shell command that builds; {out}, also in the app's command, is a path outside of the watched directories"),
		many("dev.watch", "watch", plain("GLOB", "**/*.py"), Restart, func(a *App) *[]string { return &a.Dev.Watch },
			"files to watch, such as **/*.py or templates/*; !GLOB excludes files"),
		one("dev.no_ignore", "no-ignore", boolean(), Restart, func(a *App) *bool { return &a.Dev.NoIgnore },
			"also watch files that .gitignore and .ignore exclude"),
		one("dev.debounce", "debounce", duration(), Restart, func(a *App) *time.Duration { return &a.Dev.Debounce },
			"how long no file may change before a build begins"),
		one("dev.proxy", "proxy", plain("ADDR", DefaultProxy), Restart, func(a *App) *string { return &a.Dev.Proxy },
			"address of a proxy that reloads the page in the browser after each change"),
		one("dev.open", "open", boolean(), Restart, func(a *App) *bool { return &a.Dev.Open },
			"open the page in the browser, through the proxy"),
		one("dev.delve", "delve", boolean(), Restart, func(a *App) *bool { return &a.Dev.Delve },
			"build the Go program for the debugger delve, and say how to attach it"),
		ruleSetting(),
	}
}

// ruleSetting is [[dev.rules]]: an array of tables.
func ruleSetting() Setting {
	return Setting{
		Key: "dev.rules", Help: "steps before the build, in order, each when one of its inputs has changed", Applies: Restart,
		read: func(app *App, v value, report reporter) {
			if v.form != formArray {
				report(v.at, fmt.Errorf("cannot use %s for dev.rules: write [[dev.rules]], once for each", v.form))
				return
			}
			app.Dev.Rules = nil
			for _, item := range v.items {
				if rule, ok := readRule(item, report); ok {
					app.Dev.Rules = append(app.Dev.Rules, rule)
				}
			}
		},
		set: func(*App, []string) error {
			return errors.New("cannot set rules by a flag: write [[dev.rules]] in relevo.toml")
		},
		copy:   func(to, from *App) { to.Dev.Rules = from.Dev.Rules },
		render: func(app *App) string { return renderRules(app.Dev.Rules) },
		schema: schema{"type": "array", "items": object("One step", map[string]any{
			"name": schema{"type": "string", "description": "What the terminal calls it"},
			"inputs": schema{"type": "array", "items": schema{"type": "string"},
				"description": "Patterns of the files that it reads"},
			"command": schema{"type": "string", "description": "For the shell"},
		})},
	}
}

func readRule(v value, report reporter) (rule DevRule, ok bool) {
	if v.form != formTable {
		report(v.at, fmt.Errorf("cannot use %s in dev.rules: write [[dev.rules]], once for each", v.form))
		return rule, false
	}
	ok = true
	wrong := func(at Position, err error) {
		report(at, err)
		ok = false
	}
	text := func(e entry, to *string) {
		var err error
		if *to, err = plain("", "text").read("dev.rules."+e.key(), e.value); err != nil {
			wrong(e.value.at, err)
		}
	}
	for _, e := range v.table {
		switch e.key() {
		case "name":
			text(e, &rule.Name)
		case "command":
			text(e, &rule.Command)
		case "inputs":
			rule.Inputs = readInputs(e.value, wrong)
		default:
			wrong(e.at, fmt.Errorf("cannot find the setting dev.rules.%s; name, inputs, command exist", e.key()))
		}
	}
	if ok && (rule.Command == "" || len(rule.Inputs) == 0) {
		wrong(v.at, errors.New(`cannot use a rule without inputs and a command: write inputs = ["**/*.templ"] and `+
			`command = "templ generate"`))
	}
	return rule, ok
}

func readInputs(v value, wrong reporter) (all []string) {
	if v.form != formArray {
		wrong(v.at, fmt.Errorf(`cannot use %s for dev.rules.inputs: write inputs = ["**/*.templ"]`, v.form))
		return nil
	}
	for _, item := range v.items {
		pattern, err := plain("", "**/*.templ").read("dev.rules.inputs", item)
		if err != nil {
			wrong(item.at, err)
		}
		all = append(all, pattern)
	}
	return all
}

func renderRules(rules []DevRule) string {
	var all []string
	for _, rule := range rules {
		var inputs []string
		for _, pattern := range rule.Inputs {
			inputs = append(inputs, Quote(pattern))
		}
		name := ""
		if rule.Name != "" {
			name = "name = " + Quote(rule.Name) + ", "
		}
		all = append(all, fmt.Sprintf("{ %sinputs = [%s], command = %s }", name, strings.Join(inputs, ", "),
			Quote(rule.Command)))
	}
	if all == nil {
		return ""
	}
	return "[" + strings.Join(all, ", ") + "]"
}

const rulesKey = "dev.rules"

// beginRule enters a [[dev.rules]].
func (r *reading) beginRule(at Position) {
	if r.rules == nil {
		r.rules = &value{form: formArray, at: at}
	}
	r.rules.items = append(r.rules.items, value{form: formTable, at: at})
	r.inRule = true
}

// endRules reads all [[dev.rules]] as one array.
func (r *reading) endRules() {
	if r.rules != nil {
		r.places[rulesKey] = r.rules.at
		r.settings[rulesKey].read(r.app, *r.rules, func(at Position, err error) { r.report(rulesKey, at, err) })
	}
}
