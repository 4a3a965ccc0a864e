package launch

// gate limits how many goroutines are in blocking system calls at the same time. Each of
// these calls takes a thread, and the kernel may limit the threads (package threads).
type gate chan struct{}

func newGate(most int) gate { return make(gate, most) }

// through calls do when there is room.
func (g gate) through(do func()) {
	g <- struct{}{}
	defer func() { <-g }()
	do()
}

// How many workers are started, or looked at, at the same time. Looks have a gate of
// their own, so that a disk that hangs holds up starts but not the readiness of workers.
const (
	startsAtOnce = 8
	looksAtOnce  = 4
)
