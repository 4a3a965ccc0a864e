package master

import (
	"os"
	"os/signal"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStopWanted(t *testing.T) {
	hungUp := false
	wanted := func(signals chan os.Signal) bool { return stopWanted(signals, func() bool { return hungUp }) }
	signals := make(chan os.Signal, 3)
	if wanted(signals) {
		t.Error("a stop without a request")
	}
	signals <- unix.SIGHUP
	signals <- unix.SIGTTIN
	if wanted(signals) || len(signals) != 2 {
		t.Errorf("%d of 2 signals wait", len(signals))
	}
	hungUp = true
	if !wanted(signals) {
		t.Error("no stop although the terminal has gone")
	}
	hungUp = false
	signals <- unix.SIGTERM
	if !wanted(signals) {
		t.Error("there is no stop although one was requested")
	}
}

// TestTaken: signals that have a meaning for the Go runtime are not taken.
func TestTaken(t *testing.T) {
	for _, init := range []bool{false, true} {
		for _, sig := range []os.Signal{unix.SIGURG, unix.SIGCHLD, unix.SIGPROF, unix.SIGKILL, unix.SIGSTOP, unix.SIGCONT,
			unix.SIGWINCH} {
			if slices.Contains(taken(init), sig) {
				t.Errorf("%s is taken", sig)
			}
		}
	}
	if slices.Contains(taken(false), os.Signal(unix.SIGSEGV)) || !slices.Contains(taken(true), os.Signal(unix.SIGSEGV)) {
		t.Error("a signal for a crash is taken, or not taken by PID 1")
	}
}

// TestStops: repetitions at once are one stop, later ones mean force. The time that the first stop
// took does not count.
func TestStops(t *testing.T) {
	first := time.Unix(1000, 0)
	var s stops
	if got := s.meaning(first); got != stopGracefully {
		t.Errorf("the first stop: %d", got)
	}
	accepted := first.Add(3 * time.Second)
	s.accept(accepted)
	s.accept(accepted.Add(time.Hour)) // repetitions do not delay force
	for after, want := range map[time.Duration]stopMeaning{
		-time.Second: stopRepeated, 0: stopRepeated, time.Millisecond: stopRepeated, oneStop - 1: stopRepeated,
		oneStop: stopByForce, time.Hour: stopByForce,
	} {
		if got := s.meaning(accepted.Add(after)); got != want {
			t.Errorf("%v after the first stop: %d, want %d", after, got, want)
		}
	}
}

// TestStopsLetGo: a repetition of the stop that has just ended the master is still taken.
func TestStopsLetGo(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGWINCH) // has no effect if it is not taken
	defer signal.Stop(signals)
	s := stops{accepted: time.Now().Add(-time.Hour)}
	s.accept(time.Now().Add(time.Hour)) // long after the first stop: by force
	s.letGo(signals)
	unix.Kill(os.Getpid(), unix.SIGWINCH)
	select {
	case <-signals:
	case <-time.After(time.Minute):
		t.Error("the signal had its default effect")
	}
}
