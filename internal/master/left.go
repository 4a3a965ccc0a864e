package master

import (
	"strings"
	"sync"
	"syscall"
	"time"
)

// leftWorkers are those of a previous master that this one cannot go on with, and that
// serve until its own do: their pidfds.
type leftWorkers struct {
	pidfds  []int
	patient time.Duration // from the stop signal to SIGKILL
}

// isPidfd says whether a name in a legacy is that of a worker's pidfd.
func isPidfd(name string) bool {
	return strings.HasPrefix(name, "worker.") && strings.HasSuffix(name, ".pidfd")
}

// copyLeft copies the pidfds of a legacy: whoever fails to take it over may have taken
// them.
func (a *Arrival) copyLeft() (l leftWorkers) {
	for _, name := range a.in.Names() {
		if !isPidfd(name) {
			continue
		}
		if fd, err := a.in.Copy(name); err == nil {
			l.pidfds = append(l.pidfds, fd)
		}
	}
	return l
}

// forget lets go of them.
func (l *leftWorkers) forget() {
	for _, fd := range l.pidfds {
		syscall.Close(fd)
	}
	l.pidfds = nil
}

// leave asks them to leave, and ends them when they do not. It returns when they are
// gone.
func (l *leftWorkers) leave(sig syscall.Signal) {
	deadline := time.Now().Add(l.patient)
	var all sync.WaitGroup
	for _, fd := range l.pidfds {
		all.Go(func() {
			signalLeft(fd, sig)
			if !awaitLeft(fd, deadline) {
				signalLeft(fd, syscall.SIGKILL)
				awaitLeft(fd, time.Now().Add(time.Minute))
			}
		})
	}
	all.Wait()
	l.forget()
}
