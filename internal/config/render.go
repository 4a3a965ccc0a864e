package config

import (
	"fmt"
	"strings"
)

// Render returns the app as a configuration file: every setting that has a value.
func Render(app App) string {
	var b strings.Builder
	table := ""
	enter := func(name string) {
		if name != table {
			table = name
			fmt.Fprintf(&b, "\n[%s]\n", name)
		}
	}
	var tables []Setting
	for _, s := range Settings() {
		if s.members != nil {
			tables = append(tables, s) // a table's header ends what stands above it
			continue
		}
		if text := s.render(&app); text != "" {
			above, name := s.place()
			enter(above)
			fmt.Fprintf(&b, "%s = %s\n", name, text)
		}
	}
	for _, s := range tables {
		for _, m := range s.members(&app) {
			enter(s.Key)
			fmt.Fprintf(&b, "%s = %s\n", quote(m.name), m.value)
		}
	}
	return b.String()
}

// place splits the key into its table, empty above the first, and its name there.
func (s Setting) place() (table, name string) {
	if dot := strings.LastIndexByte(s.Key, '.'); dot >= 0 {
		return s.Key[:dot], s.Key[dot+1:]
	}
	return "", s.Key
}
