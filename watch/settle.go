package watch

import (
	"io"
	"time"
)

// settleTime is how long a file has to stay the same if its writers are unknown.
const settleTime = 250 * time.Millisecond

// settle decides by waiting whether a file is finished.
type settle struct {
	id    identity  // the file at the last check
	since time.Time // since when it has been the same
}

// check returns nil if the file has been the same for long enough, otherwise a settleError.
// For an ELF file that looks like the beginning of a copy, that is patience.
func (s *settle) check(r io.ReaderAt, id identity, patience time.Duration, now time.Time) error {
	if s.id != id {
		s.id, s.since = id, now
	}
	need := settleTime
	if truncated(r, id.size) {
		need = max(need, patience)
	}
	if left := need - now.Sub(s.since); left > 0 {
		return settleError{left}
	}
	return nil
}

// settleError says that a file has not been the same for long enough.
type settleError struct{ left time.Duration }

func (e settleError) Error() string {
	return "it may still be being written: waiting whether it stays the same"
}
