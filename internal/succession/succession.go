package succession

import (
	"log/slog"
	"os"
	"sync"

	"relevo/pool"
)

// Options of a Succession. Arrival is nil if this master cannot be replaced; the others are
// required.
type Options struct {
	Log     *slog.Logger
	Arrival *Arrival
	// Estate is what this master leaves to the next one.
	Estate Estate
	// Signals is the channel of the signals that this process handles.
	Signals chan os.Signal
	Taken   []os.Signal
	// Failed sets the warning about a failed replacement; empty: it removes the warning.
	Failed func(text string)
	// Later runs a function that the caller does not wait for.
	Later func(do func())

	// Carrier returns the carrier of a way, to the program or the socket at a path. Default: those
	// of this package.
	Carrier func(way Way, path string, a *Arrival) Carrier
}

// Succession is a master's part in its own replacement. It is safe for concurrent use.
type Succession struct {
	Owed    Owed
	Hearing Hearing

	o    Options
	turn sync.Mutex    // held from before Settle to the end of this master, or to the thaw
	over chan struct{} // closed when another master has taken over

	mu  sync.Mutex
	now phase

	summing sync.Mutex
	sum     string // of the running program; empty: not computed yet
}

// phase is the state of the attempts to replace this master.
type phase struct {
	frozen      bool // a successor may take over at any moment
	pid         int  // of the successor, once over is closed
	stop, force bool // a stop was requested meanwhile
	refused     string
	failed      string // why the last attempt failed
	failures    int    // attempts that failed, those of previous masters included
}

// New returns a Succession without an attempt under way.
func New(o Options) *Succession {
	if o.Carrier == nil {
		o.Carrier = newCarrier
	}
	return &Succession{Hearing: NewHearing(), o: o, over: make(chan struct{})}
}

// HandedOver says whether a successor has taken over.
func (s *Succession) HandedOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// Blocked returns why nothing may be opened now: a successor has the sockets, or is about to take
// them.
func (s *Succession) Blocked() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.frozen || s.HandedOver() {
		return pool.ErrHandedOver
	}
	return nil
}

// Await returns when no attempt is under way. After a successful one it never returns.
func (s *Succession) Await() {
	s.turn.Lock()
	defer s.turn.Unlock()
}

// AskStop notes that a stop was requested, for the next master, or for this one if it keeps running.
func (s *Succession) AskStop(force bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.stop, s.now.force = true, force
}

// TakeStop says whether a stop was requested, and forgets it.
func (s *Succession) TakeStop() (asked, force bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, s.now.stop = s.now.stop, false
	return asked, s.now.force
}

// LastFailure returns why the last attempt to replace this master failed.
func (s *Succession) LastFailure() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.failed
}

// Failures returns how many attempts to replace a master of this app have failed.
func (s *Succession) Failures() int { return s.is().failures }

// TakeOver continues the previous master's count of failures.
func (s *Succession) TakeOver(failures int) {
	s.set(func(now *phase) { now.failures = failures })
}

func (s *Succession) set(change func(now *phase)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

func (s *Succession) is() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *Succession) report(err error) {
	if err != nil {
		s.o.Log.Error("internal error", "err", err)
	}
}
