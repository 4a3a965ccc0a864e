package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// EnvInherit says which variables of relevo's own environment workers get. The zero
// value is all of them.
type EnvInherit struct {
	Only  bool     `json:",omitempty"` // Names alone
	Names []string `json:",omitempty"` // a * at the end stands for anything
}

// Takes says whether workers get a variable.
func (e EnvInherit) Takes(name string) bool {
	return !e.Only || slices.ContainsFunc(e.Names, func(wanted string) bool {
		start, pattern := strings.CutSuffix(wanted, "*")
		return wanted == name || pattern && strings.HasPrefix(name, start)
	})
}

// ParseEnvInherit reads true, false, or names with commas between them.
func ParseEnvInherit(text string) (EnvInherit, error) {
	if all, err := strconv.ParseBool(text); err == nil {
		return EnvInherit{Only: !all}, nil
	}
	return inheritNames(strings.Split(text, ","))
}

func inheritNames(names []string) (EnvInherit, error) {
	for _, name := range names {
		if start, _ := strings.CutSuffix(name, "*"); start == "" || strings.ContainsAny(start, "=*\x00 \t\n") {
			return EnvInherit{}, fmt.Errorf(`cannot use %q as a name of a variable: write true, false, or names `+
				`such as PATH,LANG,LC_*`, name)
		}
	}
	return EnvInherit{Only: true, Names: names}, nil
}

// render returns the value as the file has it.
func (e EnvInherit) render() string {
	if len(e.Names) == 0 {
		return strconv.FormatBool(!e.Only)
	}
	var names []string
	for _, name := range e.Names {
		names = append(names, Quote(name))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// inheritSetting is env_inherit: a boolean or a list of names.
func inheritSetting() Setting {
	const key = "env_inherit"
	return Setting{
		Key: key, Flag: "env-inherit", Arg: "NAMES|bool", Default: "true", Applies: Roll,
		Help: "which variables of relevo's own environment workers get: true (all), false (none), " +
			"or names, such as PATH,LANG,LC_*",
		copy: func(to, from *App) { to.EnvInherit = from.EnvInherit },
		read: func(app *App, v value, report reporter) {
			got, err := readInherit(v)
			if err != nil {
				report(v.at, err)
				return
			}
			app.EnvInherit = got
		},
		set: func(app *App, texts []string) (err error) {
			got, err := ParseEnvInherit(texts[len(texts)-1])
			if err == nil {
				app.EnvInherit = got
			}
			return err
		},
		render: func(app *App) string { return app.EnvInherit.render() },
		schema: schema{"type": []string{"boolean", "array"}, "items": schema{"type": "string"}},
	}
}

var errInherit = errors.New(`cannot use this for env_inherit: write true, false, or names: ` +
	`env_inherit = ["PATH", "LANG"]`)

func readInherit(v value) (EnvInherit, error) {
	switch v.form {
	case formBool:
		return EnvInherit{Only: v.text == "false"}, nil
	case formArray:
		var names []string
		for _, item := range v.items {
			if item.form != formString {
				return EnvInherit{}, errInherit
			}
			names = append(names, item.text)
		}
		return inheritNames(names)
	}
	return EnvInherit{}, errInherit
}
