// Package hangup tells a SIGHUP that means the end of the terminal from one that was sent
// by hand.
//
// When a terminal goes away the kernel sends SIGHUP to the leader of its session, and, when
// the leader ends, to the processes in the foreground. A shell that is the leader passes the
// signal on to its jobs. So a hangup comes while the session has lost its terminal and the
// leader is alive, or around the moment when the leader ends. A later SIGHUP was sent by
// hand, and so was every SIGHUP to a process that never had a terminal: in a service, in a
// container, after setsid(1). Started by nohup(1), a process outlives its terminal.
package hangup

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// around is the time before and after the end of the session's leader in which a SIGHUP counts as
// caused by that end.
const around = time.Second

// State is what a successor of this process has to know. The zero value is a process
// without a terminal.
type State struct {
	Terminal bool `json:"terminal,omitempty"` // the session has one
	Leads    bool `json:"leads,omitempty"`    // this process is the session's leader
	Nohup    bool `json:"nohup,omitempty"`    // the process is to outlive its terminal
	Gone     bool `json:"gone,omitempty"`     // the terminal or the leader has gone, and this process kept running
}

// Here is the state of this process. It has to be called before signal.Notify for SIGHUP.
func Here() State {
	return State{Terminal: hasTerminal(), Leads: session() == os.Getpid(), Nohup: signal.Ignored(syscall.SIGHUP)}
}

// Meaning is what a SIGHUP means.
type Meaning int

// The meanings.
const (
	ByHand   Meaning = iota // a process sent it for a purpose of its own
	Terminal                // the terminal has gone, and this process is to end
	Outlived                // the terminal has gone, and this process is to outlive it
	Unclear                 // ByHand, unless the leader ends in the next moment: see Watch.Settled
)

// sight is what can be seen when a SIGHUP comes.
type sight struct {
	gone    bool          // the session has no terminal now
	ended   bool          // its leader, which is another process, has ended
	since   time.Duration // that end
	already bool          // a hangup was seen before
}

// meaning decides. It is pure.
func (s State) meaning(v sight) Meaning {
	switch {
	case !s.Terminal || s.Gone, v.ended && v.since > around, !v.ended && !v.gone:
		return ByHand
	case !s.Nohup:
		return Terminal
	case s.Leads && v.already:
		return ByHand // the kernel sends only one
	case s.Leads || v.ended:
		return Outlived
	}
	return Unclear // a leader that outlives its terminal itself sends nothing
}

// Watch follows the terminal of this process. It is nil for a process without one.
type Watch struct {
	state  State
	leader *leader

	mu    sync.Mutex
	ended time.Time // of the leader; zero: it lives, or is this process
	last  time.Time // of the last SIGHUP
	seen  bool      // a hangup was seen
	left  chan struct{}
}

// New watches the terminal of a process that began in the state s.
func New(s State) *Watch {
	if !s.Terminal || s.Gone {
		return nil
	}
	w := &Watch{state: s, left: make(chan struct{})}
	if s.Leads {
		return w
	}
	w.leader = followLeader(session(), w.leaderEnded)
	return w
}

// After is New for the successor of a process that was in the state s. lost says that the
// terminal has gone in between, when its signal could not be heard.
func After(s State) (w *Watch, lost bool) {
	if s.Leads && session() != os.Getpid() {
		// The predecessor is the leader: its own end is not that of the terminal.
		return nil, false
	}
	w = New(s)
	return w, w != nil && !s.Nohup && !hasTerminal()
}

func (w *Watch) leaderEnded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended.IsZero() {
		w.ended = time.Now()
		close(w.left)
	}
}

// Close ends the watch.
func (w *Watch) Close() {
	if w != nil {
		w.leader.close()
	}
}

// State is what a successor has to know.
func (w *Watch) State() State {
	if w == nil {
		return State{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Gone = !w.ended.IsZero() || !hasTerminal()
	return s
}

// Meaning says what a SIGHUP that has just come means.
func (w *Watch) Meaning() Meaning {
	if w == nil {
		return ByHand
	}
	if w.leader.hasEnded() {
		w.leaderEnded() // it may be seen here first
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.last = now
	v := sight{gone: !hasTerminal(), ended: !w.ended.IsZero(), since: now.Sub(w.ended), already: w.seen}
	w.seen = w.seen || v.gone
	return w.state.meaning(v)
}

// Left is closed when the session's leader ends; nil: there is none to wait for.
func (w *Watch) Left() <-chan struct{} {
	if w == nil || w.leader == nil {
		return nil
	}
	return w.left
}

// Followed says, after Left, whether a SIGHUP that seemed to be sent by hand belonged to the
// end of the leader: some shells send it to their jobs before they end.
func (w *Watch) Followed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.state.Nohup && !w.last.IsZero() && w.ended.Sub(w.last) < around
}

// Settled calls back when it is known what an unclear SIGHUP meant.
func (w *Watch) Settled(told func(Meaning)) {
	time.AfterFunc(around, func() {
		w.mu.Lock()
		ended := !w.ended.IsZero()
		w.mu.Unlock()
		if ended {
			told(Outlived)
		} else {
			told(ByHand)
		}
	})
}
