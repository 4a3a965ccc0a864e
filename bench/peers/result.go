package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"relevo/bench/figures"
)

// result is one table: rows of peers, columns of what was measured.
type result struct {
	title   string
	text    string // what it says, and how it was measured
	columns []column
	rows    []string // the peers, in their order
	cells   map[string]map[string][]float64
	notes   map[string]map[string]string // instead of figures
	absent  []string
	version map[string]string
}

// column is one thing that is measured.
type column struct {
	name   string
	format string
	plot   bool // it is drawn
}

func newResult(title, text string, columns ...column) *result {
	return &result{title: title, text: text, columns: columns, cells: map[string]map[string][]float64{},
		notes: map[string]map[string]string{}, version: map[string]string{}}
}

func (r *result) row(peer string) {
	if !slices.Contains(r.rows, peer) {
		r.rows = append(r.rows, peer)
		r.cells[peer], r.notes[peer] = map[string][]float64{}, map[string]string{}
	}
}

// add is one figure of a peer.
func (r *result) add(peer, column string, value float64) {
	r.row(peer)
	r.cells[peer][column] = append(r.cells[peer][column], value)
}

// note says why there is no figure.
func (r *result) note(peer, column, text string) {
	r.row(peer)
	r.notes[peer][column] = text
}

// missing notes a peer that the machine does not have; other errors are returned.
func (r *result) missing(peer string, err error) error {
	var a absent
	if errors.As(err, &a) {
		r.absent = append(r.absent, fmt.Sprintf("%s (%s)", peer, a.why))
		return nil
	}
	return err
}

func (r *result) print(out io.Writer) {
	fmt.Fprintf(out, "\n## %s\n\n%s\n\n| |", r.title, r.text)
	for _, c := range r.columns {
		fmt.Fprintf(out, " %s |", c.name)
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("---|", len(r.columns)))
	for _, peer := range r.rows {
		fmt.Fprintf(out, "| %s |", peer)
		for _, c := range r.columns {
			fmt.Fprintf(out, " %s |", r.cell(peer, c))
		}
		fmt.Fprintln(out)
	}
	var versions []string
	for _, peer := range r.rows {
		if v := r.version[peer]; v != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	if len(versions) > 0 {
		fmt.Fprintf(out, "\nCompared: %s.\n", strings.Join(versions, "; "))
	}
	if len(r.absent) > 0 {
		fmt.Fprintf(out, "\nAbsent here: %s.\n", strings.Join(r.absent, "; "))
	}
}

func (r *result) cell(peer string, c column) string {
	if text := r.notes[peer][c.name]; text != "" {
		return text
	}
	switch sample := r.cells[peer][c.name]; len(sample) {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf(c.format, sample[0])
	default:
		return figures.Spread(sample, c.format)
	}
}

// learn notes the version of a peer: it is asked, or npm was.
func (r *result) learn(ctx context.Context, s *service) {
	if r.version[s.peer.name] != "" {
		return
	}
	if len(s.peer.packages) > 0 {
		r.version[s.peer.name] = strings.Join(s.peer.packages, ", ")
		return
	}
	said, err := s.run(ctx, s.peer.version[0], s.peer.version[1:]...)
	if err != nil {
		return
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	program := s.peer.version[0]
	if !strings.Contains(strings.ToLower(line), program) {
		line = program + " " + line
	}
	r.version[s.peer.name] = line
}

// turns goes through the peers once in each round, the other way round in every second one.
func turns[T any](rounds int, peers []T, turn func(T) error) error {
	for round := range rounds {
		order := slices.Clone(peers)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, p := range order {
			if err := turn(p); err != nil {
				return err
			}
		}
	}
	return nil
}
