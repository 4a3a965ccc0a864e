package scaler

import (
	"fmt"
	"log/slog"
	"time"

	"relevo/internal/config"
)

// shortage tells that the load needs workers for which there is no memory: once in the log, and in
// relevo status until a minute has passed without it.
type shortage struct {
	log  *slog.Logger
	warn func(text string)
	seen time.Time // last; zero: there is none
}

const shortageOver = time.Minute

// note takes a look into account: the load needs so many workers, and there is memory for fewer.
func (s *shortage) note(now time.Time, needed, possible int, app config.App) {
	first := s.seen.IsZero()
	s.seen = now
	text := fmt.Sprintf("memory is short: the load needs %d workers, and there is memory for %d", needed, possible)
	remedy := "free memory, or write a lower second number in workers"
	if app.Limits.MemoryReserve > 0 {
		remedy = fmt.Sprintf("free memory, or lower memory_reserve (%s)", config.SizeText(app.Limits.MemoryReserve))
	}
	s.warn(text + "; " + remedy)
	if first {
		s.log.Warn(text, "hint", remedy)
	}
}

// enough takes a look into account that needs no worker for which memory is missing.
func (s *shortage) enough(now time.Time) {
	if !s.seen.IsZero() && now.Sub(s.seen) >= shortageOver {
		s.end()
	}
}

// end is called when the load asks for no workers any more.
func (s *shortage) end() {
	if !s.seen.IsZero() {
		s.seen = time.Time{}
		s.warn("")
	}
}
