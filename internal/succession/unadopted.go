package succession

import (
	"strings"
	"sync"
	"syscall"
	"time"
)

// UnadoptedWorkers are the pidfds of the previous master's workers that this master cannot
// adopt. They serve until its own workers do.
type UnadoptedWorkers struct {
	pidfds  []int
	Patient time.Duration // from the stop signal to SIGKILL
}

// isPidfd says whether a name in a legacy is that of a worker's pidfd.
func isPidfd(name string) bool {
	return strings.HasPrefix(name, "worker.") && strings.HasSuffix(name, ".pidfd")
}

// CopyWorkers copies the pidfds of a legacy, because a take-over that fails may have used up
// the originals.
func (a *Arrival) CopyWorkers() (l UnadoptedWorkers) {
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

// Forget closes the pidfds.
func (l *UnadoptedWorkers) Forget() {
	for _, fd := range l.pidfds {
		syscall.Close(fd)
	}
	l.pidfds = nil
}

// Stop sends the workers the stop signal, and SIGKILL to those that outlive the patience. It
// returns when they have ended.
func (l *UnadoptedWorkers) Stop(sig syscall.Signal) {
	deadline := time.Now().Add(l.Patient)
	var all sync.WaitGroup
	for _, fd := range l.pidfds {
		all.Go(func() {
			signalWorker(fd, sig)
			if !awaitWorker(fd, deadline) {
				signalWorker(fd, syscall.SIGKILL)
				awaitWorker(fd, time.Now().Add(time.Minute))
			}
		})
	}
	all.Wait()
	l.Forget()
}
