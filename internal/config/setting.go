package config

import (
	"fmt"
	"slices"
	"strings"
)

// Applies is when a changed setting takes effect in a running master.
type Applies string

// The three ways.
const (
	Live    Applies = "live"    // at the reload, for the workers that run
	Roll    Applies = "roll"    // in new workers: the reload rolls
	Restart Applies = "restart" // only in a new master
)

// Setting describes one setting. File, flags, environment, JSON schema and Diff all use this
// description.
type Setting struct {
	Key     string // in relevo.toml, dotted in tables: "limits.max_memory"
	Flag    string // without "--"; empty: only in the file
	Short   string // one-letter flag
	Arg     string // what --help calls the value
	Help    string // one line
	Default string // as the file would have it; empty: none
	Applies Applies
	Repeats bool // the flag may be given several times; so may the words in the variable
	Secret  bool // values are never shown, only names

	read    func(*App, value, reporter)                // takes the value of the file
	member  func(app *App, name string, v value) error // a table's: takes one of its keys; settle follows
	settle  func(*App)                                 // a table's: of equal names the last counts
	set     func(*App, []string) error                 // takes the texts of a flag or a variable
	render  func(*App) string                          // as the file has it; empty: not set
	members func(*App) []member                        // a table's
	copy    func(to, from *App)
	schema  schema
}

// member is one key of a table, its value as the file has it.
type member struct{ name, value string }

// reporter takes an error and its place.
type reporter func(at Position, err error)

// Variable is the name in the environment, RELEVO_READY_TIMEOUT for
// --ready-timeout, RELEVO_DEV_BUILD for --build of dev; empty if there is no flag.
func (s Setting) Variable() string {
	if s.Flag == "" {
		return ""
	}
	prefix := "RELEVO_"
	if s.OfDev() {
		prefix = "RELEVO_DEV_"
	}
	return prefix + strings.ToUpper(strings.ReplaceAll(s.Flag, "-", "_"))
}

// Check returns an error if a flag's text is not valid.
func (s Setting) Check(text string) error {
	app := Default()
	return s.set(&app, []string{text})
}

// one is a setting with one value.
func one[T any](key, flag string, k kind[T], applies Applies, field func(*App) *T, help string) Setting {
	get := func(app *App) T { return *field(app) }
	put := func(app *App, v T) { *field(app) = v }
	return stored(key, flag, k, applies, get, put, help)
}

// stored is a setting with one value, which get and put keep in the App.
func stored[T any](key, flag string, k kind[T], applies Applies, get func(*App) T, put func(*App, T),
	help string) Setting {
	app := Default()
	return Setting{
		Key: key, Flag: flag, Arg: k.arg, Help: help, Applies: applies, Default: k.render(get(&app)),
		copy: func(to, from *App) { put(to, get(from)) },
		read: func(app *App, v value, report reporter) {
			got, err := k.read(key, v)
			if err != nil {
				report(v.at, err)
				return
			}
			put(app, got)
		},
		set: func(app *App, texts []string) error {
			got, err := k.parse(texts[len(texts)-1])
			if err == nil {
				put(app, got)
			}
			return err
		},
		render: func(app *App) string { return k.render(get(app)) },
		schema: k.schema,
	}
}

// many is a setting with a list of values, which a stronger source replaces.
func many[T any](key, flag string, k kind[T], applies Applies, field func(*App) *[]T, help string) Setting {
	return Setting{
		Key: key, Flag: flag, Arg: k.arg, Help: help, Applies: applies, Repeats: true,
		copy: func(to, from *App) { *field(to) = *field(from) },
		read: func(app *App, v value, report reporter) {
			if all, ok := k.readList(key, v, report); ok {
				*field(app) = all
			}
		},
		set: func(app *App, texts []string) error {
			all, err := k.parseList(texts)
			if err == nil {
				*field(app) = all
			}
			return err
		},
		render: func(app *App) string { return k.renderList(*field(app)) },
		schema: schema{"type": "array", "items": k.schema},
	}
}

// readList reads an array of the file; ok is false if it is none. Items that are wrong are
// reported and left out.
func (k kind[T]) readList(key string, v value, report reporter) (all []T, ok bool) {
	if v.form != formArray {
		example := k.example
		if v.form == formString {
			example = Quote(v.text)
		}
		report(v.at, fmt.Errorf("cannot use %s for %s: write %s = [%s]", v.form, key, key, example))
		return nil, false
	}
	for _, item := range v.items {
		if !slices.Contains(k.forms, item.form) {
			report(item.at, fmt.Errorf("cannot use %s in %s: write %s = [%s]", item.form, key, key, k.example))
			continue
		}
		got, err := k.read(key, item)
		if err != nil {
			report(item.at, err)
			continue
		}
		all = append(all, got)
	}
	return all, true
}

// parseList reads the texts of flags or of a variable.
func (k kind[T]) parseList(texts []string) (all []T, err error) {
	for _, text := range texts {
		got, err := k.parse(text)
		if err != nil {
			return nil, err
		}
		all = append(all, got)
	}
	return all, nil
}

func (k kind[T]) renderList(all []T) string {
	if len(all) == 0 {
		return ""
	}
	items := make([]string, len(all))
	for i, v := range all {
		items[i] = renderText(k.show(v), k.forms)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// named is how the members of a table are written: NAME=TEXT on the command line.
type named[T any] struct {
	kind[T] // parses NAME=TEXT; the example is that of a value
	split   func(T) (name, text string)
}

// lastOfEach removes members whose name occurs again later: the last one takes the place of
// the first. It reuses the memory of all.
func (k named[T]) lastOfEach(all []T) []T {
	places := map[string]int{}
	kept := all[:0]
	for _, v := range all {
		name, _ := k.split(v)
		if at, known := places[name]; known {
			kept[at] = v
			continue
		}
		places[name] = len(kept)
		kept = append(kept, v)
	}
	return kept
}

// tableOf is a setting whose members have names. A stronger source replaces only the members
// that it names.
func tableOf[T any](key, flag string, k named[T], applies Applies, field func(*App) *[]T, help string) Setting {
	put := func(app *App, got T) {
		all := field(app)
		*all = append(*all, got)
	}
	settle := func(app *App) { *field(app) = k.lastOfEach(*field(app)) }
	return Setting{
		Key: key, Flag: flag, Arg: k.arg, Help: help, Applies: applies, Repeats: true,
		copy: func(to, from *App) { *field(to) = *field(from) },
		read: func(_ *App, v value, report reporter) {
			report(v.at, fmt.Errorf("cannot use %s for %s: it is a table; write [%s] and below it NAME = %s", v.form, key, key,
				k.example))
		},
		member: func(app *App, name string, v value) error {
			if strings.Contains(name, "=") {
				return fmt.Errorf("cannot use %q as a name in %s: it has an equals sign", name, key)
			}
			if !slices.Contains(k.forms, v.form) {
				return k.wrongForm(key+"."+name, v.form)
			}
			got, err := k.parse(name + "=" + v.text)
			if err == nil {
				put(app, got)
			}
			return err
		},
		set: func(app *App, texts []string) error {
			for _, text := range texts {
				got, err := k.parse(text)
				if err != nil {
					return err
				}
				put(app, got)
			}
			settle(app)
			return nil
		},
		settle: settle,
		render: func(*App) string { return "" },
		members: func(app *App) (all []member) {
			for _, v := range *field(app) {
				name, text := k.split(v)
				all = append(all, member{name, renderText(text, k.forms)})
			}
			return all
		},
		schema: schema{"type": "object", "additionalProperties": k.schema},
	}
}

// place splits the key into its table, empty above the first, and its name there.
func (s Setting) place() (table, name string) {
	if dot := strings.LastIndexByte(s.Key, '.'); dot >= 0 {
		return s.Key[:dot], s.Key[dot+1:]
	}
	return "", s.Key
}
