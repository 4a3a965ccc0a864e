package master

import (
	"os"
	"os/signal"
	"time"
)

// oneStop is how long a repeated stop signal means the same stop: timeout(1), npm and others send
// it to a process and to its group. A later one asks for force.
const oneStop = 500 * time.Millisecond

// stops tells a stop signal that asks for force from one that only repeats the first.
type stops struct {
	accepted time.Time // when the first stop signal had been dealt with; zero: none came
	last     time.Time // when the last one had been, or the end of the terminal
}

// stopKind is what has asked for the stop.
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

// accept notes that a stop signal has been dealt with. The time counts from here, so that a
// repetition that had to wait on a slow machine still counts as one.
func (s *stops) accept(now time.Time) {
	s.last = now
	if s.accepted.IsZero() {
		s.accepted = now
	}
}

// hangup notes that the end of the terminal has been dealt with. It may be reported several times,
// and TERM may follow it: none of these asks for force.
func (s *stops) hangup(now time.Time) { s.last = now }

// letGo gives the signals their default effect back, but not before a repetition of the last stop
// signal could have come: it must not kill the process in its last moments.
func (s *stops) letGo(signals chan os.Signal) {
	left := oneStop - time.Since(s.last)
	if left <= 0 {
		signal.Stop(signals)
		return
	}
	time.AfterFunc(left, func() { signal.Stop(signals) })
}
