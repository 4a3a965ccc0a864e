package master

import (
	"os"
	"os/signal"
	"time"
)

// oneStop is how long a stop signal that comes again means the same stop: timeout(1), npm
// and others send it to a process and to its group. Force is meant by a later one.
const oneStop = 500 * time.Millisecond

// stops tells a stop signal that asks for force from one that only repeats the first.
type stops struct {
	accepted time.Time // when the first one had been dealt with; zero: none came
	last     time.Time // when the last one had, or the end of the terminal, which is no first one
}

// stopKind is what has asked for the end.
type stopKind int

// stopMeaning is what a stop signal asks for.
type stopMeaning int

const (
	nothing stopKind = iota
	bySignal
	byTerminal
)

const (
	stopGracefully stopMeaning = iota
	stopRepeated
	stopByForce
)

func (s *stops) meaning(now time.Time) stopMeaning {
	switch {
	case s.accepted.IsZero():
		return stopGracefully
	case now.Sub(s.accepted) < oneStop:
		return stopRepeated
	}
	return stopByForce
}

// accept notes that a signal has been dealt with. A repetition that waited for
// that, on a slow machine, is not a moment late.
func (s *stops) accept(now time.Time) {
	s.last = now
	if s.accepted.IsZero() {
		s.accepted = now
	}
}

// hangup notes that the end of the terminal was dealt with. It may be told of several times,
// and TERM may follow it: none of that asks for force.
func (s *stops) hangup(now time.Time) { s.last = now }

// letGo gives the signals their usual effect back. A repetition of the stop that has just
// ended the master must not kill the process in its last moments.
func (s *stops) letGo(signals chan os.Signal) {
	left := oneStop - time.Since(s.last)
	if left <= 0 {
		signal.Stop(signals)
		return
	}
	time.AfterFunc(left, func() { signal.Stop(signals) })
}
