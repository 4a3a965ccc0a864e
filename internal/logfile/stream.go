package logfile

import (
	"bytes"
	"time"
)

// Stream takes the output of one process and passes on whole lines. Only one goroutine uses it.
type Stream struct {
	to      *Writer
	words   string
	begun   []byte // beginning of the next line
	torn    bool   // the beginning of the next line may be missing
	patient bool   // wait for room instead of losing lines
}

// Write never fails: lines that cannot be written are counted, and the files say how many.
func (s *Stream) Write(b []byte) (int, error) {
	now := time.Now()
	s.to.mu.Lock()
	defer s.to.mu.Unlock()
	n := len(b)
	for {
		line, rest, found := bytes.Cut(b, []byte("\n"))
		for len(s.begun)+len(line) > maxPiece {
			piece := maxPiece - len(s.begun)
			s.pass(now, line[:piece], "+")
			line = line[piece:]
		}
		if !found {
			s.begun = append(s.begun, line...)
			break
		}
		s.pass(now, line, "")
		b = rest
	}
	s.to.added()
	return n, nil
}

// pass passes on the begun line with the text that follows.
func (s *Stream) pass(now time.Time, text []byte, more string) {
	if s.torn {
		more = "-" + more
	}
	if s.to.reserve(maxPrefix+len(s.begun)+len(text), s.patient) {
		s.to.filled = appendRecord(s.to.filled, now, s.words, more, s.begun, text)
	}
	s.begun, s.torn = s.begun[:0], false
}

// appendRecord appends one line of a file.
func appendRecord(to []byte, now time.Time, words, marks string, text ...[]byte) []byte {
	to = appendTime(to, now)
	to = append(to, words...)
	to = append(to, marks...)
	to = append(to, ' ')
	for _, t := range text {
		to = append(to, t...)
	}
	return append(to, '\n')
}

// appendTime is time.AppendFormat with timeLayout, five times as fast.
func appendTime(to []byte, at time.Time) []byte {
	at = at.UTC()
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	to = digits(to, year, 4)
	to = digits(append(to, '-'), int(month), 2)
	to = digits(append(to, '-'), day, 2)
	to = digits(append(to, 'T'), hour, 2)
	to = digits(append(to, ':'), minute, 2)
	to = digits(append(to, ':'), second, 2)
	to = digits(append(to, '.'), at.Nanosecond()/1000, 6)
	return append(to, 'Z')
}

func digits(to []byte, n, width int) []byte {
	var text [8]byte
	for i := width - 1; i >= 0; i-- {
		text[i], n = byte('0'+n%10), n/10
	}
	return append(to, text[:width]...)
}

// Flush ends a begun line, because the process has ended.
func (s *Stream) Flush() {
	if len(s.begun) > 0 {
		s.Write([]byte("\n"))
	}
}

// Take removes and returns the begun line. The next master continues it.
func (s *Stream) Take() []byte {
	begun := s.begun
	s.begun = nil
	return begun
}

// Sync waits until everything that the streams got is in the files, or lost.
func (s *Stream) Sync() { s.to.Sync() }
