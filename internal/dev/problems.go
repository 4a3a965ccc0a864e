package dev

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"relevo/internal/lazyregexp"
)

// Problem is an error with its place in a file.
type Problem struct {
	File         string // absolute
	Line, Column int    // from 1; 0: not known
	Text         string
}

func (p Problem) String() string {
	return fmt.Sprintf("%s: %s", p.place(), p.Text)
}

func (p Problem) place() string {
	place := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Column > 0 {
		place += fmt.Sprintf(":%d", p.Column)
	}
	return place
}

// maxProblems bounds how many problems are kept of one output.
const maxProblems = 50

// Formats in which programs report a place.
var (
	// Go, C, Rust, eslint --format unix, most linters: file:line[:column]: text.
	colons = lazyregexp.New(`^\s*(?:-->\s*)?(?:file://)?([^\s:"'()][^:"'()]*):(\d+)(?::(\d+))?(?:(?::\s*|\s+-\s+)(.*))?$`)
	// TypeScript: file(line,column): text.
	parens = lazyregexp.New(`^\s*([^\s:"'()][^:"'()]*)\((\d+),(\d+)\):?\s*(.*)$`)
	// A Go stack trace: file:line +0xoffset; its text is the panic's message.
	trace = lazyregexp.New(`^\s+(/[^:]+):(\d+) \+0x[0-9a-f]+$`)
	// A Node stack trace: at function (file:line:column), also in modules.
	frame = lazyregexp.New(`^\s+at (?:.* \()?(?:file://)?(/[^:()]+):(\d+):(\d+)\)?$`)
	// Node prints this line before the line of source and the error.
	nodeError = lazyregexp.New(`^(?:file://)?/[^:]+:\d+$`)
	// Python: File "file", line N.
	quoted = lazyregexp.New(`^\s*File "([^"]+)", line (\d+)`)
)

// findProblems finds the places in a program's output. Relative paths start at dir. A match is
// dropped if no such file exists, because much other text looks like a place.
func findProblems(output, dir string) (all []Problem) {
	exists := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular()
	}
	return problemsIn(output, dir, exists)
}

func problemsIn(output, dir string, exists func(string) bool) (all []Problem) {
	seen := map[Problem]bool{}
	before, said := "", ""
	lines := strings.Split(output, "\n")
	for i, line := range lines {
		line = strings.TrimRight(withoutEscapes(line), "\r ")
		p, ok := problemOf(line)
		if !ok {
			before = line
			if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
				said = line
			}
			continue
		}
		if trace.MatchString(line) {
			p.Text = said
		}
		if p.Text == "" && nodeError.MatchString(line) {
			p.Text = firstError(lines[i+1:])
		}
		if p.Text == "" { // the text is in the lines above, or at the end of a trace
			p.Text = strings.TrimSpace(before)
			if quoted.MatchString(line) {
				p.Text = lastLine(lines[i+1:])
			}
		}
		if !filepath.IsAbs(p.File) {
			p.File = filepath.Join(dir, p.File)
		}
		if !seen[p] && exists(p.File) {
			seen[p] = true
			if all = append(all, p); len(all) == maxProblems {
				return all
			}
		}
	}
	return all
}

func problemOf(line string) (p Problem, ok bool) {
	for _, form := range []*lazyregexp.Regexp{parens, trace, frame, colons, quoted} {
		m := form.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		p.File = strings.TrimSpace(m[1])
		p.Line, _ = strconv.Atoi(m[2])
		if len(m) > 3 {
			p.Column, _ = strconv.Atoi(m[3])
		}
		if len(m) > 4 {
			p.Text = m[4]
		}
		return p, p.Line > 0
	}
	return p, false
}

var errorLine = lazyregexp.New(`^(?:Uncaught )?[A-Z]\w*Error\b`)

// firstError is the first line that names an error in the way of JavaScript.
func firstError(lines []string) string {
	for _, line := range lines {
		if line = strings.TrimSpace(withoutEscapes(line)); errorLine.MatchString(line) {
			return line
		}
	}
	return ""
}

func lastLine(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if text := strings.TrimSpace(withoutEscapes(lines[i])); text != "" {
			return text
		}
	}
	return ""
}

var escapes = lazyregexp.New("\x1b\\[[0-9;:]*[A-Za-z]")

func withoutEscapes(text string) string { return escapes.ReplaceAllString(text, "") }
