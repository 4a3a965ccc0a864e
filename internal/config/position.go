package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"unicode/utf8"
)

// Position is a place in a file. Both count from 1, columns in characters. The
// zero value is the file as a whole.
type Position struct{ Line, Column int }

func (p Position) compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// FileError is an error at one place of a configuration file.
type FileError struct {
	Path string // as the user gave it
	Position
	Err error
}

// Error returns FILE:LINE:COLUMN: followed by what is wrong.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.Path, e.Line, e.Column, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// SortedErrors splits a joined error. Errors without a place come first, then those of a file
// in the order of their places.
func SortedErrors(err error) []error {
	all := apart(err)
	at := func(err error) (p Position) {
		var placed *FileError
		if errors.As(err, &placed) {
			p = placed.Position
		}
		return p
	}
	slices.SortStableFunc(all, func(a, b error) int { return at(a).compare(at(b)) })
	return all
}

func apart(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, apart(e)...)
	}
	return all
}

func join(errs []error) error { return errors.Join(SortedErrors(errors.Join(errs...))...) }

// numbered is a file's bytes with the offsets of its lines. For every block it also has the
// number of characters before the block: a line may be as long as the file, and counting
// from its beginning for each position would take too long.
type numbered struct {
	data       []byte
	lines      []int
	characters []int
}

const blockBytes = 256

func numberLines(data []byte) numbered {
	t := numbered{data: data, lines: []int{0}}
	characters := 0
	for i, b := range data {
		if i%blockBytes == 0 {
			t.characters = append(t.characters, characters)
		}
		if utf8.RuneStart(b) {
			characters++
		}
		if b == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	t.characters = append(t.characters, characters) // at the end of the data, if a block ends there
	return t
}

func (t numbered) position(offset int) Position {
	line := sort.SearchInts(t.lines, offset+1)
	return Position{Line: line, Column: 1 + t.before(offset) - t.before(t.lines[line-1])}
}

// before returns how many characters begin before an offset.
func (t numbered) before(offset int) int {
	block := offset / blockBytes
	n := t.characters[block]
	for _, b := range t.data[block*blockBytes : offset] {
		if utf8.RuneStart(b) {
			n++
		}
	}
	return n
}
