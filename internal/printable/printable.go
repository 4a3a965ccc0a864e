// Package printable makes the words of workers and of other programs fit to be shown:
// what would move a terminal's cursor, change its title or clipboard, turn the
// direction of writing, or begin a new row is taken out.
package printable

import (
	"strings"
	"unicode/utf8"
)

// Line returns the text on one line: escape sequences and control characters are left
// out, line ends and tabs inside are shown as " ⏎ " and a space. Bytes that are not
// UTF-8 become "·".
func Line(text string) string {
	if isPlain(text, "") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(text, "\r\n")) {
		if b.Len() > 0 {
			b.WriteString(" ⏎ ")
		}
		writeClean(&b, strings.TrimRight(line, "\r\n"), false)
	}
	return strings.ReplaceAll(b.String(), "\t", " ")
}

// Text is Line for a text of several lines: line ends and tabs stay.
func Text(text string) string {
	if isPlain(text, "\n\t") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		end := ""
		if rest, ok := strings.CutSuffix(line, "\n"); ok {
			line, end = strings.TrimSuffix(rest, "\r"), "\n"
		}
		writeClean(&b, line, false)
		b.WriteString(end)
	}
	return b.String()
}

// Colored is one line of a program's own output with its colors, and without anything
// else that a terminal would act on. Of a line that the program has overwritten (\r)
// the newest is left.
func Colored(line string) string {
	if isPlain(line, "\t") {
		return line
	}
	line = strings.TrimRight(line, "\r")
	line = line[strings.LastIndexByte(line, '\r')+1:]
	var b strings.Builder
	if writeClean(&b, line, true) {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// isPlain says whether a text is printable ASCII and the characters given.
func isPlain(text, besides string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && strings.IndexByte(besides, c) < 0 {
			return false
		}
	}
	return true
}

// writeClean writes what may be shown of a line. It says whether a color was written
// and not taken back.
func writeClean(b *strings.Builder, line string, colors bool) (colored bool) {
	invalid := false // a run of bytes that are not UTF-8 is shown once
	for line != "" {
		if n := sequence(line); n > 0 {
			if colors && isColor(line[:n]) {
				b.WriteString(line[:n])
				colored = line[:n] != "\x1b[0m" && line[:n] != "\x1b[m"
			}
			line = line[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(line)
		torn := r == utf8.RuneError && size == 1
		switch {
		case torn && invalid:
		case torn:
			b.WriteString("·")
		case r == '\t' || !Unsafe(r):
			b.WriteString(line[:size])
		}
		line, invalid = line[size:], torn
	}
	return colored
}

// Unsafe says whether a terminal may act on a character instead of showing it: control
// characters (C0, DEL, C1), those that turn the direction of writing, separators of
// lines, and invisible tags.
func Unsafe(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f,
		r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069,
		r == 0x2028, r == 0x2029, r == 0xfeff, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}
