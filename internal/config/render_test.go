package config

import (
	"fmt"
	"strings"
)

// render returns the app as a configuration file: every setting that has a value.
func render(app App) string {
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
			fmt.Fprintf(&b, "%s = %s\n", Quote(m.name), m.value)
		}
	}
	return b.String()
}
