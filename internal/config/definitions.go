package config

import "fmt"

// definition remembers how a key of a document came to be, and the keys below it.
type definition struct {
	how   how
	line  int
	below map[string]*definition
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
	path []string
	keys *definition
}

// child returns the definition of a key below this one; it may be undefined still.
func (d *definition) child(name string) *definition {
	known := d.below[name]
	if known == nil {
		known = &definition{}
		if d.below == nil {
			d.below = map[string]*definition{}
		}
		d.below[name] = known
	}
	return known
}

func (d *definition) define(h how, line int) { d.how, d.line = h, line }

// add takes note of an entry and, if it is a header, enters its table. Defining
// something twice is an error (toml.io, "Keys" and "Table"). The definition is that
// of the whole document.
func (d *definition) add(t *table, e entry) error {
	if !e.header {
		return t.keys.addKey(e, len(t.path))
	}
	*t = table{path: e.path, keys: &definition{}}
	at := d
	for i, name := range e.path[:len(e.path)-1] {
		at = at.child(name)
		switch at.how {
		case undefined:
			at.define(implicit, e.at.Line)
		case scalar:
			return twice(e.path[:i+1], at)
		}
	}
	at = at.child(e.path[len(e.path)-1])
	switch {
	case e.value.form == formArray && (at.how == undefined || at.how == array):
		at.define(array, e.at.Line)
		at.below = nil // the keys of the element before
	case e.value.form == formTable && (at.how == undefined || at.how == implicit):
		at.define(header, e.at.Line)
	default:
		return twice(e.path, at)
	}
	t.keys = at
	return nil
}

// addKey takes note of a key and its value. The first parts of its path lead to d.
func (d *definition) addKey(e entry, parts int) error {
	last := len(e.path) - 1
	for i := parts; i < last; i++ {
		d = d.child(e.path[i])
		switch d.how {
		case undefined:
			d.define(dotted, e.at.Line)
		case dotted:
		default:
			return twice(e.path[:i+1], d)
		}
	}
	d = d.child(e.path[last])
	if d.how != undefined {
		return twice(e.path, d)
	}
	d.define(scalar, e.at.Line)
	return checkMembers(e.value)
}

// checkMembers looks for double keys in an inline table, which is closed for all
// other entries.
func checkMembers(v value) error {
	inner := &definition{}
	for _, member := range v.table {
		if err := inner.addKey(member, 0); err != nil {
			return err
		}
	}
	for _, item := range v.items {
		if err := checkMembers(item); err != nil {
			return err
		}
	}
	return nil
}

func twice(path []string, known *definition) error {
	return fmt.Errorf("cannot define %s twice: it stands in line %d already; take one away", entry{path: path}.key(),
		known.line)
}
