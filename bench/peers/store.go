package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// store is a file of results: tables by their names, from several runs of this program.
type store struct {
	path   string
	Tables map[string]*result `json:"tables"`
}

// openStore reads a file of results; it need not be there.
func openStore(path string) (*store, error) {
	s := &store{path: path, Tables: map[string]*result{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the results in %s: %w", path, err)
	}
	return s, nil
}

// add adds the rounds of a run to a table, and writes the file.
func (s *store) add(table string, r *result) error {
	if known := s.Tables[table]; known == nil {
		s.Tables[table] = r
	} else if err := known.merge(r); err != nil {
		return fmt.Errorf("cannot add to the table %s of %s: %w", table, s.path, err)
	}
	text, err := json.MarshalIndent(s, "", " ")
	if err == nil {
		err = os.WriteFile(s.path+".new", append(text, '\n'), 0o644)
	}
	if err == nil {
		err = os.Rename(s.path+".new", s.path)
	}
	if err != nil {
		return fmt.Errorf("cannot write the results: %w", err)
	}
	return nil
}

// merge adds the rounds of another run of the same table on the same machine.
func (r *result) merge(other *result) error {
	if r.Machine != other.Machine {
		return fmt.Errorf("it was measured on %s, and now on %s: give another file", r.Machine, other.Machine)
	}
	if !slices.Equal(r.Columns, other.Columns) {
		return errors.New("its columns are others: give another file")
	}
	r.Rounds += other.Rounds
	r.Load = max(r.Load, other.Load)
	for _, peer := range other.Rows {
		r.row(peer)
		r.Kinds[peer] = other.Kinds[peer]
		for name, more := range other.Cells[peer] {
			c := r.Cells[peer][name]
			c.Figures, c.Notes = append(c.Figures, more.Figures...), append(c.Notes, more.Notes...)
			r.Cells[peer][name] = c
		}
	}
	for _, lists := range []struct{ to, from *[]string }{
		{&r.Versions, &other.Versions}, {&r.Absent, &other.Absent}, {&r.Failed, &other.Failed}} {
		for _, text := range *lists.from {
			addOnce(lists.to, text)
		}
	}
	return nil
}
