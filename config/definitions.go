package config

import "fmt"

// definitions remembers how each key of a document came to be, by its quoted path.
type definitions map[string]definition

type definition struct {
	how  how
	line int
}

// how a key came to be decides whether it may be met again.
type how int

const (
	undefined how = iota
	implicit      // a table above the one of a header; may get a header itself
	header        // [path]
	array         // [[path]]; each one more adds an element
	dotted        // a table by a.b = value; may get more such keys
	scalar        // a value, or an inline table: closed
)

// table is the one that keys go to.
type table struct {
	path    []string
	element int // of an array of tables, counted from 1
}

func (t table) name(path []string) string { return fmt.Sprintf("%d%q", t.element, path) }

// add takes note of an entry and, if it is a header, enters its table. Defining
// something twice is an error (toml.io, "Keys" and "Table").
func (d definitions) add(t *table, e entry) error {
	if !e.header {
		return d.addKey(*t, e)
	}
	top := table{}
	for i := 1; i < len(e.path); i++ {
		name := top.name(e.path[:i])
		switch known := d[name]; known.how {
		case undefined:
			d[name] = definition{implicit, e.at.Line}
		case scalar:
			*t = table{path: e.path}
			return twice(e.path[:i], known)
		}
	}
	name := top.name(e.path)
	known := d[name]
	*t = table{path: e.path}
	switch {
	case e.value.form == formArray && (known.how == undefined || known.how == array):
		d[name] = definition{array, e.at.Line}
		t.element = e.at.Line // no two begin in one line
	case e.value.form == formTable && (known.how == undefined || known.how == implicit):
		d[name] = definition{header, e.at.Line}
	default:
		return twice(e.path, known)
	}
	return nil
}

func (d definitions) addKey(t table, e entry) error {
	for i := len(t.path) + 1; i < len(e.path); i++ {
		name := t.name(e.path[:i])
		switch known := d[name]; known.how {
		case undefined:
			d[name] = definition{dotted, e.at.Line}
		case dotted:
		default:
			return twice(e.path[:i], known)
		}
	}
	name := t.name(e.path)
	if known := d[name]; known.how != undefined {
		return twice(e.path, known)
	}
	d[name] = definition{scalar, e.at.Line}
	return d.addMembers(t, e)
}

// addMembers looks for double keys in an inline table, which is closed for all
// other entries.
func (d definitions) addMembers(t table, e entry) error {
	inner := definitions{}
	for _, member := range e.value.table {
		if err := inner.addKey(table{}, member); err != nil {
			return err
		}
	}
	for _, item := range e.value.items {
		if err := d.addMembers(t, entry{value: item}); err != nil {
			return err
		}
	}
	return nil
}

func twice(path []string, known definition) error {
	return fmt.Errorf("cannot define %s twice: it stands in line %d already; take one away", entry{path: path}.key(), known.line)
}
