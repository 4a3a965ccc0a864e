package launch

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"relevo/pool"
)

// heldLines is a slow destination: Sync waits until it is free, and so does Write if it is stuck.
type heldLines struct {
	stuck bool
	free  chan struct{}
	got   chan struct{} // closed when text has come

	mu    sync.Mutex
	begun []byte
}

func (l *heldLines) Write(b []byte) (int, error) {
	close(l.got)
	if l.stuck {
		<-l.free
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = append(l.begun, b[bytes.LastIndexByte(b, '\n')+1:]...)
	return len(b), nil
}

func (l *heldLines) Take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

func (l *heldLines) Sync()  { <-l.free }
func (l *heldLines) Flush() {}

// TestBegunLineOfSlowOutput: however slow the output is, the next master gets the begun line. If the
// line is not known, the legacy says that its beginning is missing.
func TestBegunLineOfSlowOutput(t *testing.T) {
	t.Parallel()
	for stuck, want := range map[bool]string{false: `"begin" false`, true: `"" true`} {
		first := &heldLines{stuck: stuck, free: make(chan struct{}), got: make(chan struct{})}
		var given []string
		r := newRigOf(t, Options{Streams: Streams{Open: func(s OutputSource, begun []byte, torn bool) Lines {
			if s.Stream == 0 {
				given = append(given, fmt.Sprintf("%q %v", begun, torn))
			}
			if s.Stream == 0 && len(given) == 1 {
				return first
			}
			return &heldLines{free: first.free, got: make(chan struct{})}
		}}})
		release := r.prepare(shell("printf 'whole\\nbegin'; exec sleep 1000"))
		w := r.startOf(release, order)
		expect[pool.Online](w)
		<-first.got
		left, err := w.Process.Detach(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		close(first.free)
		if w.Process, err = release.Adopt(order, left, w.sink); err != nil {
			t.Fatal(err)
		}
		w.Kill()
		w.exit()
		if !slices.Equal(given, []string{`"" false`, want}) {
			t.Errorf("stuck %v: the masters got %q; want that the second gets %s", stuck, given, want)
		}
	}
}
