package dev

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Problem is one thing wrong, at its place.
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

// maxProblems is more than anybody reads.
const maxProblems = 50

// The ways in which programs name a place.
var (
	// Go, C, Rust, eslint --format unix, most linters: file:line[:column]: text.
	colons = regexp.MustCompile(`^\s*(?:-->\s*)?([^\s:"'()][^:"'()]*):(\d+)(?::(\d+))?(?:(?::\s*|\s+-\s+)(.*))?$`)
	// TypeScript: file(line,column): text.
	parens = regexp.MustCompile(`^\s*([^\s:"'()][^:"'()]*)\((\d+),(\d+)\):?\s*(.*)$`)
	// Python: File "file", line N.
	quoted = regexp.MustCompile(`^\s*File "([^"]+)", line (\d+)`)
)

// findProblems reads places out of a program's output. A relative path counts from
// dir. A place in a file that does not exist is none: much looks like one.
func findProblems(output, dir string) (all []Problem) {
	exists := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular()
	}
	return problemsIn(output, dir, exists)
}

func problemsIn(output, dir string, exists func(string) bool) (all []Problem) {
	seen := map[Problem]bool{}
	before := ""
	lines := strings.Split(output, "\n")
	for i, line := range lines {
		line = strings.TrimRight(withoutEscapes(line), "\r ")
		p, ok := problemOf(line)
		if !ok {
			before = line
			continue
		}
		if p.Text == "" { // the text stands above, or at the end of a trace
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
	for _, form := range []*regexp.Regexp{parens, colons, quoted} {
		m := form.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		p.File = strings.TrimSpace(m[1])
		p.Line, _ = strconv.Atoi(m[2])
		if len(m) > 3 {
			p.Column, _ = strconv.Atoi(m[3])
			p.Text = m[4]
		}
		return p, p.Line > 0
	}
	return p, false
}

func lastLine(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if text := strings.TrimSpace(withoutEscapes(lines[i])); text != "" {
			return text
		}
	}
	return ""
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;:]*[A-Za-z]")

func withoutEscapes(text string) string { return escapes.ReplaceAllString(text, "") }
