package succession

import (
	"strings"
	"sync"
	"syscall"
	"time"
)

// LeftWorkers are those of a previous master that this one cannot go on with, and that
// serve until its own do: their pidfds.
type LeftWorkers struct {
	pidfds  []int
	Patient time.Duration // from the stop signal to SIGKILL
}

// isPidfd says whether a name in a legacy is that of a worker's pidfd.
func isPidfd(name string) bool {
	return strings.HasPrefix(name, "worker.") && strings.HasSuffix(name, ".pidfd")
}

// CopyLeft copies the pidfds of a legacy: whoever fails to take it over may have taken
// them.
func (a *Arrival) CopyLeft() (l LeftWorkers) {
	for _, name := range a.In.Names() {
		if !isPidfd(name) {
			continue
		}
		if fd, err := a.In.Copy(name); err == nil {
			l.pidfds = append(l.pidfds, fd)
		}
	}
	return l
}

// Forget lets go of them.
func (l *LeftWorkers) Forget() {
	for _, fd := range l.pidfds {
		syscall.Close(fd)
	}
	l.pidfds = nil
}

// Leave asks them to leave, and ends them when they do not. It returns when they are
// gone.
func (l *LeftWorkers) Leave(sig syscall.Signal) {
	deadline := time.Now().Add(l.Patient)
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
	l.Forget()
}
