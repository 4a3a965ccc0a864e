package launch

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"relevo/internal/printable"
)

// tail keeps the beginning and the end of what a worker has written, for the diagnosis of
// its end: in the traces of some languages the message comes first, in others last. The end
// is a ring of bytes, so that a flood costs only its copying.
type tail struct {
	mu   sync.Mutex
	head []byte
	ring []byte // of what came after the head
	next int
	full bool
	mark []byte // beginning of the last Go panic: the dump of goroutines would push it out of the ring
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

// look looks for the beginning of a panic, and keeps it.
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

// cause returns the line that says why the worker ended, empty if none does. If it exited
// with a code and no line is known to say why, it is the last one.
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

// all returns the lines that are kept, and the begun one.
func (t *tail) all() []string {
	t.mu.Lock()
	head, rest, mark := string(t.head), string(t.ring[:t.next]), string(t.mark)
	if t.full {
		rest = string(t.ring[t.next:]) + rest
	}
	full := t.full
	t.mu.Unlock()
	if !full {
		return linesOf(head + rest) // nothing was dropped between them
	}
	if whole := strings.LastIndexByte(head, '\n'); whole >= 0 {
		head = head[:whole]
	}
	// The ring may begin in the middle of a line.
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

// untabbed makes a line safe to be shown, and keeps its indentation.
func untabbed(line string) string { return printable.Line(strings.ReplaceAll(line, "\t", "    ")) }

// restore begins with the lines that another master's tail has returned.
func (t *tail) restore(lines []string) {
	for _, line := range lines {
		t.Write([]byte(line + "\n"))
	}
}

const gap = "…"

// How many lines are shown from the beginning, before and after the line that says why, and
// from the end.
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
