package config

import "fmt"

// definition remembers how a key of a document was defined, and the keys below it.
type definition struct {
	how   how
	line  int
	below map[string]*definition
}

// how says in which way a key was defined, which decides whether it may occur again.
type how int

const (
	undefined how = iota
	implicit      // a table above the one of a header; may get a header itself
	header        // [path]
	array         // [[path]]; each one more adds an element
	dotted        // a table by a.b = value; may get more such keys
	scalar        // a value, or an inline table: closed
)

// table is the table to which the next keys belong.
type table struct {
	path []string
	keys *definition
}

// child returns the definition of a key below this one, which may not be defined yet.
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

// add notes an entry and, if it is a header, enters its table. A second definition of a key
// is an error (toml.io, "Keys" and "Table"). d is the definition of the whole document.
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

// addKey notes a key and its value. d is where the first parts of its path lead.
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
