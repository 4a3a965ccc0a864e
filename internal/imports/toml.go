package imports

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"relevo/internal/config"
)

// TOML is the document as relevo.toml.
func (d *Document) TOML() []byte {
	var b strings.Builder
	comment(&b, "Written by relevo import from "+d.From+". It may hold secrets: values of variables stand here as text.")
	for _, remark := range d.Remarks {
		comment(&b, remark)
	}
	for _, app := range d.Apps {
		b.WriteByte('\n')
		if app.LeftOut != "" {
			comment(&b, app.Name+" is left out: "+app.LeftOut)
			for _, s := range app.Settings {
				comment(&b, "  "+dotted(s.Table, s.Key)+" = "+value(s.Value))
			}
			continue
		}
		app.write(&b)
	}
	return []byte(b.String())
}

func (a App) write(b *strings.Builder) {
	tables := []string{""}
	for _, s := range a.Settings {
		if !slices.Contains(tables, s.Table) {
			tables = append(tables, s.Table)
		}
	}
	for i, table := range tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "[%s]\n", strings.TrimSuffix(dotted("app."+key(a.Name), table), "."))
		for _, s := range a.Settings {
			if s.Table != table {
				continue
			}
			if s.Remark != "" {
				comment(b, s.Remark)
			}
			fmt.Fprintf(b, "%s = %s\n", key(s.Key), value(s.Value))
		}
		if i == 0 {
			for _, remark := range a.Remarks {
				comment(b, remark)
			}
		}
	}
	for _, table := range a.Tables {
		fmt.Fprintf(b, "\n[[app.%s.%s]]\n", key(a.Name), table.Name)
		for _, s := range table.Settings {
			fmt.Fprintf(b, "%s = %s\n", key(s.Key), value(s.Value))
		}
	}
}

func dotted(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}

// comment writes text that may come from anywhere: nothing in it ends the comment.
func comment(b *strings.Builder, text string) {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
	b.WriteString("# " + text + "\n")
}

func key(name string) string {
	plain := name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-'
	})
	if plain {
		return name
	}
	return config.Quote(name)
}

func value(v any) string {
	switch v := v.(type) {
	case []string:
		quoted := make([]string, len(v))
		for i, text := range v {
			quoted[i] = config.Quote(text)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case string:
		return config.Quote(v)
	}
	return fmt.Sprint(v)
}
