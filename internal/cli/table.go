package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// column is one column of a table that adapts to the width of the terminal.
type column struct {
	head   string
	weight int // if the columns do not fit, the lowest weight is dropped first; 0: never dropped
	right  bool
	cells  []string
	paint  func(row int, text string) string // nil: no colour
}

const gap = "  "

// printTable writes the columns that fit the width; 0 means no limit.
func printTable(to io.Writer, columns []column, width int) error {
	columns = columnsThatFit(columns, width)
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = c.width()
	}
	for row := -1; row < len(columns[0].cells); row++ {
		var line strings.Builder
		for i, c := range columns {
			text := c.head
			if row >= 0 {
				text = c.cells[row]
			}
			pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text)))
			if c.paint != nil && row >= 0 {
				text = c.paint(row, text)
			}
			switch {
			case c.right:
				text = pad + text
			case i < len(columns)-1:
				text += pad
			}
			if i > 0 {
				line.WriteString(gap)
			}
			line.WriteString(text)
		}
		if _, err := fmt.Fprintln(to, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

func (c column) width() int {
	width := utf8.RuneCountInString(c.head)
	for _, cell := range c.cells {
		width = max(width, utf8.RuneCountInString(cell))
	}
	return width
}

// columnsThatFit drops columns by weight until the rest fits.
func columnsThatFit(columns []column, width int) []column {
	kept := slices.Clone(columns)
	for width > 0 && tableWidth(kept) > width {
		lightest := -1
		for i, c := range kept {
			if c.weight > 0 && (lightest < 0 || c.weight < kept[lightest].weight) {
				lightest = i
			}
		}
		if lightest < 0 {
			break
		}
		kept = slices.Delete(kept, lightest, lightest+1)
	}
	return kept
}

func tableWidth(columns []column) int {
	width := len(gap) * (len(columns) - 1)
	for _, c := range columns {
		width += c.width()
	}
	return width
}
