package succession

import (
	"log/slog"
	"os"
	"sync"

	"relevo/pool"
)

// Options are what a succession is made of. Arrival is nil where this master cannot be
// replaced; the others are required.
type Options struct {
	Log     *slog.Logger
	Arrival *Arrival
	// Estate is what this master has to leave.
	Estate Estate
	// Signals are those that this process takes.
	Signals chan os.Signal
	Taken   []os.Signal
	// Failed replaces the warning about a replacement that failed; empty: there is none.
	Failed func(text string)
	// Later runs what is not waited for.
	Later func(do func())

	// Carrier is that of a way, to the program or the socket at a path. Default: those of this
	// package.
	Carrier func(way Way, path string, a *Arrival) Carrier
}

// Succession is a master's part in its own replacement. It is safe for concurrent use.
type Succession struct {
	Owed    Owed
	Hearing Hearing

	o    Options
	turn sync.Mutex    // held from before Settle to the end of this master, or to the thaw
	over chan struct{} // closed when another master goes on

	mu  sync.Mutex
	now phase

	summing sync.Mutex
	sum     string // of the running program; empty: not computed yet
}

// phase is what is known of attempts to replace this master.
type phase struct {
	frozen      bool // another master may go on at any moment
	pid         int  // of the successor, when it is over
	stop, force bool // the end of the app was asked for meanwhile
	refused     string
	failed      string // why the last attempt failed
	failures    int    // attempts that failed, of this master and those before
}

// New has no attempt under way.
func New(o Options) *Succession {
	if o.Carrier == nil {
		o.Carrier = newCarrier
	}
	return &Succession{Hearing: NewHearing(), o: o, over: make(chan struct{})}
}

// HandedOver says whether another master goes on.
func (s *Succession) HandedOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// Blocked is why nothing may be opened now: the sockets are another master's, or about to be.
func (s *Succession) Blocked() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.frozen || s.HandedOver() {
		return pool.ErrHandedOver
	}
	return nil
}

// Await returns when nobody is about to go on; never where another one does.
func (s *Succession) Await() {
	s.turn.Lock()
	defer s.turn.Unlock()
}

// AskStop notes that the end of the app is asked for, for the next master, or for this one if
// it goes on.
func (s *Succession) AskStop(force bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.stop, s.now.force = true, force
}

// TakeStop says whether the end of the app was asked for, once.
func (s *Succession) TakeStop() (asked, force bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, s.now.stop = s.now.stop, false
	return asked, s.now.force
}

// LastFailure is why the last attempt to replace this master failed.
func (s *Succession) LastFailure() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.failed
}

// Failures is how many attempts to replace a master of the app have failed.
func (s *Succession) Failures() int { return s.is().failures }

// TakeOver goes on counting failures where the master before has stopped.
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
