package launch

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"relevo/internal/printable"
)

// tail keeps the beginning and the end of what a worker has written, for the diagnosis
// of its end: the message stands first in the traces of some languages and last in
// those of others. The end is a ring of bytes, so that a flood costs nothing but its
// copying.
type tail struct {
	mu   sync.Mutex
	head []byte
	ring []byte // of what came after the head
	next int
	full bool
	mark []byte // the last beginning of a Go panic, which a dump of goroutines would push out
}

const (
	headBytes = 2 << 10
	tailBytes = 8 << 10
	tailWidth = 500 // bytes of one line that are worth showing
	markBytes = 300
)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	t.look(b)
	if room := headBytes - len(t.head); room > 0 {
		taken := min(room, len(b))
		t.head, b = append(t.head, b[:taken]...), b[taken:]
	}
	if len(b) == 0 {
		return n, nil
	}
	if t.ring == nil {
		t.ring = make([]byte, tailBytes)
	}
	if len(b) > tailBytes {
		b, t.full = b[len(b)-tailBytes:], true
	}
	for len(b) > 0 {
		copied := copy(t.ring[t.next:], b)
		b = b[copied:]
		if t.next += copied; t.next == tailBytes {
			t.next, t.full = 0, true
		}
	}
	return n, nil
}

// look keeps the beginning of a panic.
func (t *tail) look(b []byte) {
	for _, word := range []string{"panic: ", "fatal error: "} {
		at := bytes.Index(b, []byte("\n"+word)) + 1
		if at > 0 || bytes.HasPrefix(b, []byte(word)) {
			t.mark = append(t.mark[:0], b[at:min(at+markBytes, len(b))]...)
			return
		}
	}
}

// lines returns what is worth showing, oldest first; "…" stands for lines left out.
func (t *tail) lines() []string {
	all := t.all()
	at, _ := findCause(all)
	return excerpt(all, at)
}

// cause is the line that says why the worker died, empty where none does. Where it
// exited with a code, its last line is one.
func (t *tail) cause(code bool) string {
	all := t.all()
	if at, text := findCause(all); at >= 0 {
		return cutText(text, causeWidth)
	}
	if len(all) == 0 || !code {
		return ""
	}
	return cutText(all[len(all)-1], causeWidth)
}

// all returns the lines that are kept, the begun one too.
func (t *tail) all() []string {
	t.mu.Lock()
	head, rest, mark := string(t.head), string(t.ring[:t.next]), string(t.mark)
	if t.full {
		rest = string(t.ring[t.next:]) + rest
	}
	full := t.full
	t.mu.Unlock()
	if !full {
		return linesOf(head + rest) // nothing is lost between them
	}
	if whole := strings.LastIndexByte(head, '\n'); whole >= 0 {
		head = head[:whole]
	}
	// The first line of the rest is likely a torso.
	if _, whole, found := strings.Cut(rest, "\n"); found {
		rest = whole
	}
	lines := append(linesOf(head), gap)
	if mark != "" && !strings.Contains(head+"\n"+rest, mark) {
		lines = append(append(lines, linesOf(mark)...), gap)
	}
	return append(lines, linesOf(rest)...)
}

func linesOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line = untabbed(line); strings.TrimSpace(line) != "" {
			lines = append(lines, cutText(line, tailWidth))
		}
	}
	return lines
}

// untabbed is a line fit to be shown, with what it is indented by.
func untabbed(line string) string { return printable.Line(strings.ReplaceAll(line, "\t", "    ")) }

// restore puts lines back that lines has returned.
func (t *tail) restore(lines []string) {
	for _, line := range lines {
		t.Write([]byte(line + "\n"))
	}
}

const gap = "…"

// How many lines are shown: of the beginning, before and after the line that says why,
// and of the end.
const (
	shownLines                          = 20
	shownFirst, shownBefore, shownAfter = 3, 3, 4
	shownLast                           = 8
)

// excerpt chooses the lines of an output that a person wants to see. cause is the index of
// the line that says why the worker failed, -1 if there is none.
func excerpt(lines []string, cause int) []string {
	if len(lines) <= shownLines {
		return slices.Clip(lines)
	}
	last := shownLast
	if cause < 0 {
		last = shownLines - shownFirst - 1
	}
	var shown []string
	for i, line := range lines {
		near := cause >= 0 && i >= cause-shownBefore && i <= cause+shownAfter
		if i < shownFirst || near || i >= len(lines)-last {
			shown = append(shown, line)
		} else if shown[len(shown)-1] != gap {
			shown = append(shown, gap)
		}
	}
	return shown
}
