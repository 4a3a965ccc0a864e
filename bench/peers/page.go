package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// picturesBeside is where the pictures of a page are, seen from the page.
const picturesBeside = "pictures/peers"

// A table of the page is between these lines; all else is written by hand.
const (
	tableBegin = "<!-- table: %s -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// writePage puts the tables of a file of results into a page, and its pictures beside it.
func writePage(page string, s *store) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("cannot read the page: %w", err)
	}
	pictures := filepath.Join(filepath.Dir(page), picturesBeside)
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		return fmt.Errorf("cannot make a directory for pictures: %w", err)
	}
	for _, t := range tables {
		r := s.Tables[t.name]
		if r == nil {
			continue
		}
		drawn, err := r.plot(pictures, t.name)
		if err != nil {
			return err
		}
		whole, err := replaceTable(string(text), t.name, r.block(drawn))
		if err != nil {
			return fmt.Errorf("cannot write %s: %w", page, err)
		}
		text = []byte(whole)
	}
	if err := os.WriteFile(page, text, 0o644); err != nil {
		return fmt.Errorf("cannot write the page: %w", err)
	}
	return nil
}

// block is a table as the page has it, with its pictures.
func (r *result) block(drawn []picture) string {
	var text strings.Builder
	r.write(&text)
	if len(drawn) > 0 {
		text.WriteByte('\n')
	}
	for _, p := range drawn {
		fmt.Fprintf(&text, "![%s](%s/%s)\n", p.title, picturesBeside, p.file)
	}
	return text.String()
}

// replaceTable replaces what is between the lines that begin and end a table.
func replaceTable(page, name, block string) (string, error) {
	begin := fmt.Sprintf(tableBegin, name)
	before, rest, found := strings.Cut(page, begin)
	if !found {
		return "", fmt.Errorf("it has no line %q", strings.TrimSpace(begin))
	}
	_, after, found := strings.Cut(rest, tableEnd)
	if !found {
		return "", fmt.Errorf("the table %s has no line %q", name, strings.TrimSpace(tableEnd))
	}
	return before + begin + "\n" + block + "\n" + tableEnd + after, nil
}
