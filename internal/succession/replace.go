package succession

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/upgrader"
)

// Estate is what a master leaves to the next one, and the steps by which it does so.
type Estate interface {
	// Settle waits for the preparation under way, and for everything that follows from ended rolls.
	// Nothing new begins until done is called.
	Settle() (done func())
	// Freeze stops everything that acts on workers. After an error everything runs as before.
	Freeze(context.Context) (pool.Legacy, error)
	// Thaw resumes everything that Freeze has stopped.
	Thaw()
	// Bequeath makes the legacy. then is what the next master is to do first. done closes copies
	// that were made for it.
	Bequeath(left pool.Legacy, then string) (l upgrader.Legacy, done func(), err error)
	// Number is the number of masters before the next one.
	Number() int
	// Introduce tells the service manager which process takes over.
	Introduce(pid int)
	// HandOver ends the pool without touching its workers.
	HandOver() error
	// DetachControl closes the control socket for this process alone; ReturnControl opens it
	// again.
	DetachControl() error
	ReturnControl(upgrader.Legacy) error
}

// ThenReload tells a successor to reload first.
const ThenReload = "reload"

// freezePatience is how long Freeze waits for workers that are being started.
const freezePatience = 10 * time.Second

// Replace replaces this master by the program that it was started from. then is what the next
// master is to do first. After an error this master keeps running.
func (s *Succession) Replace(way Way, then string) (u control.Upgraded, err error) {
	return s.replaceBy(way, Program, then)
}

// HandOver passes the legacy to a process that waits at a socket, and that this master has not
// started.
func (s *Succession) HandOver(socket string) (control.Upgraded, error) {
	return s.replaceBy(Asked, func() (string, error) { return socket, nil }, "")
}

func (s *Succession) replaceBy(way Way, to func() (string, error), then string) (u control.Upgraded, err error) {
	if !s.turn.TryLock() {
		return u, control.WithExit(errors.New("cannot replace the master: it is being replaced already"),
			control.ExitBusy)
	}
	if s.HandedOver() {
		s.turn.Unlock()
		return u, control.HandedOver(0)
	}
	s.set(func(now *phase) { now.failed = "" })
	defer s.o.Estate.Settle()()
	path, err := to()
	if err == nil {
		s.o.Log.Info("replacing the master", "by", path, "how", way)
		u, err = s.replace(way, path, then)
	}
	if errors.Is(err, pool.ErrNotRunning) {
		s.thaw()
		s.turn.Unlock()
		return u, control.WithExit(errors.New("cannot replace the master: it is stopping, or its start has just failed; "+
			"try again"), control.ExitBusy)
	}
	if err != nil {
		s.attemptFailed(way, err) // before the thaw, after which the state is saved
		s.thaw()
		s.refuse(path, err)
		s.turn.Unlock()
		return u, control.WithExit(fmt.Errorf("%w\n  this master keeps running", err), control.ExitRollFailed)
	}
	return u, nil
}

func (s *Succession) attemptFailed(way Way, err error) {
	s.o.Log.Error("the master was not replaced: this one keeps running", "err", err)
	s.set(func(now *phase) { now.failures++ })
	if way == Asked {
		return // the process that has asked reports it
	}
	text := err.Error()
	s.set(func(now *phase) { now.failed = text })
	s.o.Failed("relevo itself could not be replaced: " + text)
}

// replace freezes everything and passes it on. After an error everything may still be frozen.
func (s *Succession) replace(way Way, path, then string) (u control.Upgraded, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), freezePatience)
	defer cancel()
	left, err := s.o.Estate.Freeze(ctx)
	if err != nil {
		return u, fmt.Errorf("cannot replace the master: %w", err)
	}
	s.set(func(now *phase) { now.frozen = true })
	u = control.Upgraded{PID: os.Getpid(), From: os.Getpid(), How: string(way), Successions: s.o.Estate.Number()}
	c := s.o.Carrier(way, path, s.o.Arrival)
	legacy, done, err := s.o.Estate.Bequeath(left, then)
	if err == nil {
		if u.PID, err = c.Pass(legacy); way != Asked {
			err = blame(err)
		}
	}
	if err == nil && way == Exec {
		// The exec follows once the caller has been answered.
		s.o.Later(func() { s.become(c, then, legacy, done) })
		return u, nil
	}
	done()
	if err == nil {
		s.handOver(u.PID, then)
	}
	return u, err
}

// handOver concludes a replacement by another process.
func (s *Succession) handOver(pid int, then string) {
	s.o.Log.Info("another master has taken over", "pid", pid)
	if then == ThenReload {
		s.Owed.ReloadsDone(1)
	}
	s.o.Estate.Introduce(pid)
	s.set(func(now *phase) { now.pid = pid })
	close(s.over)
	s.report(s.o.Estate.HandOver())
}

// become execs the next program. It returns only if that fails; then this master keeps running.
func (s *Succession) become(c Carrier, then string, l upgrader.Legacy, done func()) {
	s.report(s.o.Estate.DetachControl())
	still := func() error {
		s.Hearing.Settle(s.o.Signals) // a signal still on its way would end with this program
		if s.is().stop || len(s.o.Signals) > 0 {
			return errors.New("it is asked for something else")
		}
		return nil
	}
	var owed []syscall.Signal
	err := c.Become(l, still, func() []syscall.Signal {
		if then == ThenReload {
			s.Owed.ReloadsDone(1)
		}
		owed = s.Owed.Take()
		return owed
	})
	signal.Notify(s.o.Signals, s.o.Taken...)
	s.report(s.o.Estate.ReturnControl(l))
	done()
	s.attemptFailed(Exec, err)
	s.thaw()
	s.turn.Unlock()
	for _, sig := range owed {
		unix.Kill(os.Getpid(), sig)
	}
}

// thaw undoes the freeze, if anything is frozen.
func (s *Succession) thaw() {
	if !s.is().frozen {
		return
	}
	s.set(func(now *phase) { now.frozen = false })
	s.o.Estate.Thaw()
}

// Finish ends a master that has a successor. It passes on the signals that have arrived meanwhile.
func (s *Succession) Finish() error {
	s.report(s.o.Estate.DetachControl())
	now := s.is()
	if now.stop {
		unix.Kill(now.pid, unix.SIGTERM)
	}
	for _, sig := range s.Owed.Take() {
		unix.Kill(now.pid, sig)
	}
	go func() { // signals of the last moment are meant for the next master
		for sig := range s.o.Signals {
			unix.Kill(now.pid, sig.(syscall.Signal))
		}
	}()
	// It says force here, because two signals at the same moment would count as one stop.
	last := s.is()
	return s.o.Arrival.Flip.Confirm(last.stop && last.force)
}
