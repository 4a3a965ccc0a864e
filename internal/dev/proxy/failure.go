package proxy

import (
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"relevo/internal/lazyregexp"
)

// Failure is the reason why the newest version is not served.
type Failure struct {
	// Title is one line: "build failed", "the new worker did not start".
	Title string
	// Problems are the places to look at, most important first. Pages show the
	// first 100.
	Problems []Problem
	// Output is the output of the failed program. Pages show its end, without terminal colours.
	Output string
}

// Problem is a fault with its place.
type Problem struct {
	// File is a path, absolute or relative to Options.Root; empty if unknown.
	File string
	// Line and Column count from 1; 0 is unknown.
	Line, Column int
	Text         string
}

const (
	maxProblems = 100
	maxOutput   = 64 << 10
)

// failureView is the form of a Failure that pages get.
type failureView struct {
	Title    string        `json:"title"`
	Problems []problemView `json:"problems"`
	Output   string        `json:"output"`
}

type problemView struct {
	Place string `json:"place"` // "main.go:3:1"
	Link  string `json:"link,omitempty"`
	Text  string `json:"text"`
}

// editor makes links that open a place in an editor.
type editor struct{ template, root string }

func (e editor) view(f Failure) *failureView {
	v := &failureView{Title: clean(f.Title), Problems: []problemView{}, Output: strings.TrimRight(clean(tail(f.Output)),
		"\n")}
	for _, p := range f.Problems[:min(len(f.Problems), maxProblems)] {
		v.Problems = append(v.Problems, problemView{Place: p.place(), Link: e.link(p), Text: clean(p.Text)})
	}
	return v
}

func (p Problem) place() string {
	place := clean(p.File)
	for _, n := range []int{p.Line, p.Column} {
		if n <= 0 {
			break
		}
		place += ":" + strconv.Itoa(n)
	}
	return place
}

func (e editor) link(p Problem) string {
	if p.File == "" {
		return ""
	}
	path := p.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(e.root, path)
	}
	return strings.NewReplacer(
		"{path}", (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(),
		"{line}", strconv.Itoa(max(p.Line, 1)),
		"{column}", strconv.Itoa(max(p.Column, 1)),
	).Replace(e.template)
}

// tail is the end of a long text, from the beginning of a line if possible.
func tail(text string) string {
	if len(text) <= maxOutput {
		return text
	}
	text = text[len(text)-maxOutput:]
	if _, rest, found := strings.Cut(text, "\n"); found {
		text = rest
	}
	return "…\n" + text
}

// escapes are the control sequences of ECMA-48: CSI, OSC, and two-byte ones.
var escapes = lazyregexp.New("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]*[0-~])")

// clean removes control sequences that a terminal would not show.
func clean(text string) string {
	text = escapes.ReplaceAllString(text, "")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

var schemes = lazyregexp.New(`^([a-zA-Z][a-zA-Z0-9+.-]*):`)

// linkable says whether links of a template only open something, and run nothing.
func linkable(template string) bool {
	scheme := schemes.FindStringSubmatch(template)
	if scheme == nil {
		return false
	}
	switch strings.ToLower(scheme[1]) {
	case "javascript", "data", "vbscript", "blob":
		return false
	}
	return true
}
