package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"relevo/bench/figures"
)

// result is what was measured for one table: rows of peers, columns of figures. It is what a file
// of results keeps.
type result struct {
	Machine  string                     `json:"machine"`
	Load     float64                    `json:"load"` // of the machine before a run, the largest
	Rounds   int                        `json:"rounds"`
	Columns  []column                   `json:"columns"`
	Rows     []string                   `json:"rows"` // the peers, in their order
	Kinds    map[string]string          `json:"kinds,omitempty"`
	Cells    map[string]map[string]cell `json:"cells"`
	Versions []string                   `json:"versions"`
	Absent   []string                   `json:"absent,omitempty"`
	Failed   []string                   `json:"failed,omitempty"`
}

// enough is the number of rounds from which ranges can be compared.
const enough = 3

// column is one thing that is measured.
type column struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Plot   bool   `json:"plot,omitempty"` // it is drawn
	More   bool   `json:"more,omitempty"` // more is better
}

// cell is what all rounds have found of one peer in one column.
type cell struct {
	Figures []float64 `json:"figures,omitempty"`
	Notes   []string  `json:"notes,omitempty"` // of the rounds that have no figure
}

func newResult(rounds int, columns ...column) *result {
	return &result{Machine: figures.Machine(), Load: figures.Load(), Rounds: rounds, Columns: columns,
		Kinds: map[string]string{}, Cells: map[string]map[string]cell{}}
}

func (r *result) row(peer string) {
	if !slices.Contains(r.Rows, peer) {
		r.Rows = append(r.Rows, peer)
		r.Cells[peer] = map[string]cell{}
	}
}

// add is one figure of a peer.
func (r *result) add(peer, column string, value float64) {
	r.row(peer)
	c := r.Cells[peer][column]
	c.Figures = append(c.Figures, math.Round(value*1000)/1000)
	r.Cells[peer][column] = c
}

// note says why a round has no figure.
func (r *result) note(peer, column, text string) {
	r.row(peer)
	c := r.Cells[peer][column]
	c.Notes = append(c.Notes, text)
	r.Cells[peer][column] = c
}

// missing notes a peer that the machine does not have; other errors are returned.
func (r *result) missing(peer string, err error) error {
	var a absent
	if !errors.As(err, &a) {
		return err
	}
	addOnce(&r.Absent, fmt.Sprintf("%s (%s)", peer, a.why))
	return nil
}

func addOnce(list *[]string, text string) {
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// learn notes the version of a peer: that of its npm packages, or what its program prints.
func (r *result) learn(ctx context.Context, s *service) {
	r.row(s.peer.name)
	r.Kinds[s.peer.name] = s.peer.app.file
	if len(s.peer.packages) > 0 {
		for _, p := range s.peer.packages {
			addOnce(&r.Versions, p)
		}
		return
	}
	if s.peer.version == nil {
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
	if program == relevoVersion[0] {
		line += ", " + s.kit.commit
	}
	addOnce(&r.Versions, line)
}

// write writes the table as Markdown, with what was compared below it.
func (r *result) write(out io.Writer) {
	fmt.Fprint(out, "| |")
	for _, c := range r.Columns {
		fmt.Fprintf(out, " %s |", c.Name)
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("---|", len(r.Columns)))
	for _, peer := range r.Rows {
		fmt.Fprintf(out, "| %s |", peer)
		for _, c := range r.Columns {
			fmt.Fprintf(out, " %s |", r.Cells[peer][c.Name].text(c.Format))
		}
		fmt.Fprintln(out)
	}
	rounds := "1 round"
	if r.Rounds != 1 {
		rounds = fmt.Sprintf("%d rounds: medians (smallest … largest)", r.Rounds)
	}
	paragraph(out, "%s; %s; load average before: %.1f. Compared: %s.", rounds, r.Machine, r.Load,
		strings.Join(r.Versions, "; "))
	if better := r.better(); len(better) > 0 && r.Rounds >= enough {
		paragraph(out, "Better than relevo with the same app, by ranges that do not overlap: %s.",
			strings.Join(better, "; "))
	}
	if len(r.Absent) > 0 {
		paragraph(out, "Absent: %s.", strings.Join(r.Absent, "; "))
	}
	if len(r.Failed) > 0 {
		paragraph(out, "Failed: %s.", strings.Join(r.Failed, "; "))
	}
}

// paragraph writes text in lines that fit into a page.
func paragraph(out io.Writer, format string, args ...any) {
	const columns = 120
	width := 0
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		between, length := " ", utf8.RuneCountInString(word)
		if width == 0 || width+1+length > columns {
			between, width = "\n", -1
		}
		fmt.Fprint(out, between, word)
		width += 1 + length
	}
	fmt.Fprintln(out)
}

// text is what a cell of the table says: figures, and notes. A note that not all rounds have is
// followed by the number of its rounds.
func (c cell) text(format string) string {
	rounds := len(c.Figures) + len(c.Notes)
	var parts []string
	switch len(c.Figures) {
	case 0:
	case 1:
		parts = append(parts, fmt.Sprintf(format, c.Figures[0]))
	default:
		parts = append(parts, figures.Spread(c.Figures, format))
	}
	counts := map[string]int{}
	for _, note := range c.Notes {
		counts[note]++
	}
	for _, note := range slices.Compact(slices.Sorted(slices.Values(c.Notes))) {
		if counts[note] < rounds {
			note = fmt.Sprintf("%s in %d of %d", note, counts[note], rounds)
		}
		parts = append(parts, note)
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, "; ")
}

// better names the columns in which a peer is better than relevo with the same app: its worst
// round is better than the best one of relevo.
func (r *result) better() (all []string) {
	for _, c := range r.Columns {
		var names []string
		for _, peer := range r.Rows {
			ours := r.ours(peer)
			if ours != peer && r.Cells[peer][c.Name].beats(r.Cells[ours][c.Name], c.More) {
				names = append(names, peer)
			}
		}
		if len(names) > 0 {
			all = append(all, fmt.Sprintf("*%s*: %s", c.Name, strings.Join(names, ", ")))
		}
	}
	return all
}

// ours is the row of relevo with the same app.
func (r *result) ours(peer string) string {
	for _, other := range r.Rows {
		if strings.HasPrefix(other, "relevo") && r.Kinds[other] == r.Kinds[peer] {
			return other
		}
	}
	return peer
}

func (c cell) beats(other cell, more bool) bool {
	if len(c.Figures) == 0 || len(other.Figures) == 0 || len(c.Notes) > 0 {
		return false
	}
	if more {
		return slices.Min(c.Figures) > slices.Max(other.Figures)
	}
	return slices.Max(c.Figures) < slices.Min(other.Figures)
}
