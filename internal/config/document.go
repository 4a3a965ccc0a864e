package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// form is the type of a TOML value, as errors call it.
type form string

const (
	formString  form = "a string"
	formInteger form = "an integer"
	formFloat   form = "a number with a fraction"
	formBool    form = "a boolean"
	formTime    form = "a date or time"
	formArray   form = "an array"
	formTable   form = "a table"
)

// value is a TOML value and its place.
type value struct {
	form  form
	text  string // of a scalar: a string's content, a number in Go's decimal notation
	items []value
	table []entry
	at    Position
}

// entry is one key with its value, or the header of a table, whose form says
// which: formTable for [path], formArray for [[path]].
type entry struct {
	path   []string
	at     Position // of the key
	header bool
	value  value
}

// key is the dotted path, as errors name it.
func (e entry) key() string { return strings.Join(e.path, ".") }

// Messages and maps repeat a key, so a very long one would take memory in the square of its
// length. No setting has a key of nearly this length.
const (
	maxKeyParts = 32
	maxKeyBytes = 1024
)

var errTooLong = fmt.Errorf("cannot use this key: it has more than %d parts or %d bytes; shorten it", maxKeyParts,
	maxKeyBytes)

// maxFile bounds what is read as configuration.
const maxFile = 1 << 20

// readDocument returns the entries of a TOML document in their order, up to the
// first error of syntax, and every key that is defined twice.
//
// It uses the low-level parser of go-toml, because only that gives the position of each key
// and value. What go-toml's decoder would check beside the syntax is checked here: no key may
// be defined twice.
func readDocument(data []byte, report func(Position, error)) []entry {
	seen := &definition{}
	d := &document{text: numberLines(data), table: table{keys: seen}}
	d.parser.Reset(data)
	skipping := false // the keys of a table whose name is too long
	for d.parser.NextExpression() {
		e := d.entry(d.parser.Expression())
		skipping = skipping && !e.header || e.header && d.tooLong != nil
		if d.tooLong != nil {
			report(*d.tooLong, errTooLong)
			d.tooLong = nil
			continue
		}
		if skipping {
			continue
		}
		if err := seen.add(&d.table, e); err != nil {
			report(e.at, err)
			continue
		}
		d.entries = append(d.entries, e)
	}
	if err := d.parser.Error(); err != nil {
		report(d.syntaxError(err))
	}
	return d.entries
}

type document struct {
	text    numbered
	parser  unstable.Parser
	tooLong *Position // of a key in the expression being read
	table   table
	entries []entry
}

func (d *document) syntaxError(err error) (Position, error) {
	offset := len(d.text.data)
	var syntax *unstable.ParserError
	if errors.As(err, &syntax) {
		// The highlight is a part of the data, so the capacities differ by where
		// it begins.
		offset = min(max(cap(d.text.data)-cap(syntax.Highlight), 0), offset)
	}
	at := d.text.position(offset)
	return at, fmt.Errorf("cannot read this as TOML: %w%s", err, d.text.unquotedRange(at.Line))
}

// unquotedRange says how to write a line such as workers = 2..8.
func (t numbered) unquotedRange(line int) string {
	text, _, _ := strings.Cut(string(t.data[t.lines[line-1]:]), "\n")
	key, value, _ := strings.Cut(text, "=")
	value, _, _ = strings.Cut(value, "#")
	value = strings.TrimSpace(value)
	if _, err := ParseWorkerRange(value); err != nil || !strings.Contains(value, "..") {
		return ""
	}
	return fmt.Sprintf("; write %s = %q", strings.TrimSpace(key), value)
}

// entry reads one expression. The path of a key in a table begins with the
// table's.
func (d *document) entry(n *unstable.Node) entry {
	if n.Kind == unstable.KeyValue {
		e := d.keyValue(n)
		e.path = append(d.table.path[:len(d.table.path):len(d.table.path)], e.path...)
		return e
	}
	e := entry{header: true, value: value{form: formTable}}
	if n.Kind == unstable.ArrayTable {
		e.value.form = formArray
	}
	d.readKey(&e, n.Key())
	e.value.at = e.at
	return e
}

func (d *document) keyValue(n *unstable.Node) (e entry) {
	end := d.readKey(&e, n.Key())
	// Between the key and its value there are blanks and the equals sign; the
	// node of an array does not tell where it begins.
	for end < len(d.text.data) && strings.IndexByte(" \t=", d.text.data[end]) >= 0 {
		end++
	}
	e.value = d.value(n.Value(), d.text.position(end))
	return e
}

// readKey returns the offset at which the key ends, as far as it was read.
func (d *document) readKey(e *entry, parts unstable.Iterator) (end int) {
	size := 0
	for parts.Next() {
		part := parts.Node()
		if len(e.path) == 0 {
			e.at = d.text.position(int(part.Raw.Offset))
		}
		end = int(part.Raw.Offset + part.Raw.Length)
		if size += len(part.Data); size > maxKeyBytes || len(e.path) == maxKeyParts {
			d.tooLong = &e.at
			e.path = append(e.path, "") // a key has a part at least
			return end
		}
		e.path = append(e.path, string(part.Data))
	}
	return end
}

func (d *document) value(n *unstable.Node, at Position) value {
	if n.Raw.Length > 0 {
		at = d.text.position(int(n.Raw.Offset))
	}
	v := value{text: string(n.Data), at: at}
	switch n.Kind {
	case unstable.String:
		v.form = formString
	case unstable.Bool:
		v.form = formBool
	case unstable.Integer:
		v.form = formInteger
		if i, err := strconv.ParseInt(v.text, 0, 64); err == nil { // 0x, 0o, 0b and _ as in Go
			v.text = strconv.FormatInt(i, 10)
		}
	case unstable.Float:
		v.form = formFloat
		if f, err := strconv.ParseFloat(strings.ReplaceAll(v.text, "_", ""), 64); err == nil {
			v.text = strconv.FormatFloat(f, 'f', -1, 64)
		}
	case unstable.Array:
		v.form = formArray
		for items := n.Children(); items.Next(); {
			v.items = append(v.items, d.value(items.Node(), at))
		}
	case unstable.InlineTable:
		v.form = formTable
		for members := n.Children(); members.Next(); {
			v.table = append(v.table, d.keyValue(members.Node()))
		}
	default:
		v.form = formTime
	}
	return v
}
