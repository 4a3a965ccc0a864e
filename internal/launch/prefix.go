package launch

import (
	"bytes"
	"cmp"
	"io"
	"sync"
	"time"

	"relevo/internal/printable"
)

// prefixer puts a prefix before each line and writes whole lines, so that the lines of
// several workers do not mix. A line that has no end for a while, such as a prompt, is
// shown as it is; the text that follows then begins a new line.
type prefixer struct {
	to       io.Writer
	prefix   string
	terminal bool          // a terminal shows it, which acts on escape sequences
	begunFor time.Duration // Streams.BegunFor

	mu    sync.Mutex
	begun []byte
	since time.Time   // when it was begun
	shown bool        // the line's beginning was shown
	quiet *time.Timer // runs while a line has begun
}

const (
	// maxBegun bounds a line without an end.
	maxBegun = 16 << 10
	// quietFor is the default of Streams.BegunFor.
	quietFor = 500 * time.Millisecond
)

// prefixer returns a prefixer for a stream, nil if the stream gets no prefix.
func (s *Streams) prefixer(stream int, app string, slot int, begun []byte) *prefixer {
	to, prefixed, terminal, color := s.Out, s.PrefixOut, s.TerminalOut, s.ColorOut
	if stream == 1 {
		to, prefixed, terminal, color = s.Err, s.PrefixErr, s.TerminalErr, s.ColorErr
	}
	if !prefixed {
		return nil
	}
	p := &prefixer{to: to, prefix: linePrefix(app, slot, color), terminal: terminal, begun: begun, begunFor: s.BegunFor}
	p.await()
	return p
}

func (p *prefixer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(b)
	var out []byte
	for {
		line, rest, found := bytes.Cut(b, []byte("\n"))
		if !found {
			break
		}
		if p.begun = append(p.begun, line...); len(p.begun) > 0 || !p.shown {
			out = p.line(out)
		}
		p.begun, p.shown, p.since, b = p.begun[:0], false, time.Time{}, rest
	}
	if p.begun = append(p.begun, b...); len(p.begun) > maxBegun {
		out = p.line(out)
		p.begun, p.shown = p.begun[:0], true
	}
	p.await()
	if len(out) > 0 {
		if _, err := p.to.Write(out); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// line appends the begun line to out, with its prefix and a newline.
func (p *prefixer) line(out []byte) []byte {
	out = append(out, p.prefix...)
	if p.terminal {
		out = append(out, printable.Colored(string(p.begun))...)
	} else {
		out = append(out, p.begun...)
	}
	return append(out, '\n')
}

// await starts the timer after which a begun line is shown.
func (p *prefixer) await() {
	if len(p.begun) == 0 {
		p.since = time.Time{}
		if p.quiet != nil {
			p.quiet.Stop()
		}
		return
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	quietFor := cmp.Or(p.begunFor, quietFor)
	wait := min(quietFor, time.Until(p.since.Add(4*quietFor)))
	if p.quiet == nil {
		p.quiet = time.AfterFunc(wait, p.show)
	} else {
		p.quiet.Reset(wait)
	}
}

// show shows a line that has only begun.
func (p *prefixer) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.begun) == 0 {
		return
	}
	out := p.line(nil)
	p.begun, p.shown, p.since = p.begun[:0], true, time.Time{}
	p.to.Write(out) // an error is met again by the pump's next write
}

// Take removes the begun line and returns it.
func (p *prefixer) Take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	begun := p.begun
	p.begun = nil
	p.await()
	return begun
}

// Sync has nothing to wait for: Write has written.
func (p *prefixer) Sync() {}

// Flush writes a begun line with a newline.
func (p *prefixer) Flush() {
	p.mu.Lock()
	begun := len(p.begun) > 0
	p.mu.Unlock()
	if begun {
		p.Write([]byte("\n"))
	}
}
