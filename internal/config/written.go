package config

import (
	"fmt"
	"slices"
	"strings"
)

// Written returns a configuration file with the settings of file, flags and variables, under
// this name. A variable of the workers that is taken from this process's environment gets its
// present value, which lookup returns.
func (s Sources) Written(name string, lookup func(string) string) []byte {
	r := s.resolve()
	r.app.Name = name
	for i, variable := range r.app.Env {
		if !strings.Contains(variable, "=") {
			r.app.Env[i] = variable + "=" + lookup(variable)
		}
	}
	var b strings.Builder
	table := ""
	enter := func(name string) {
		if name != table {
			table = name
			fmt.Fprintf(&b, "\n[%s]\n", name)
		}
	}
	var tables []Setting
	for _, setting := range Settings() {
		_, given := r.origins[setting.Key]
		if !given && !s.File.setsBelow(setting.Key) && !slices.Contains([]string{"name", "directory"}, setting.Key) {
			continue
		}
		if setting.members != nil {
			tables = append(tables, setting) // a table's header ends what stands above it
			continue
		}
		if text := setting.render(&r.app); text != "" {
			above, key := setting.place()
			enter(above)
			fmt.Fprintf(&b, "%s = %s\n", key, text)
		}
	}
	for _, setting := range tables {
		for _, m := range setting.members(&r.app) {
			enter(setting.Key)
			fmt.Fprintf(&b, "%s = %s\n", Quote(m.name), m.value)
		}
	}
	return []byte("# Written by relevo start; relevo reload reads it again.\n" + b.String())
}

// setsBelow says whether a file sets a key, or one of its table. A nil file sets nothing.
func (f *File) setsBelow(key string) bool {
	return f != nil && slices.ContainsFunc(f.entries, func(e entry) bool {
		return !e.header && (e.key() == key || strings.HasPrefix(e.key(), key+"."))
	})
}

// Arguments returns the settings of flags and variables as flags of relevo run.
func (s Sources) Arguments() (args []string) {
	for _, setting := range Settings() {
		texts := s.Flags[setting.Key]
		if variable := setting.Variable(); len(texts) == 0 && variable != "" && s.Getenv != nil {
			if text := s.Getenv(variable); text != "" {
				texts = []string{text}
				if setting.Repeats {
					texts = strings.Fields(text)
				}
			}
		}
		for _, text := range texts {
			if setting.Flag != "" && !setting.OfDev() {
				args = append(args, "--"+setting.Flag+"="+text)
			}
		}
	}
	return args
}
