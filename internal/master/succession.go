package master

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/announce"
	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/upgrader"
)

// succession is this master's part in its own replacement.
type succession struct {
	mu      sync.Mutex // held from the freeze to the end of this master, or to the thaw
	over    chan struct{}
	pid     int         // of the successor, when over is closed
	frozen  atomic.Bool // another one may go on at any moment
	stop    atomic.Bool // somebody asked for the end of the app meanwhile
	force   atomic.Bool
	refused atomic.Pointer[string] // identity of a binary that could not go on, and must not be tried again
	failed  atomic.Pointer[string] // why the last attempt failed
	owed    owed
}

// freezePatience is how long workers that are being started are waited for.
const freezePatience = 10 * time.Second

// handedSignals wait while one program becomes another.
var handedSignals = []syscall.Signal{
	unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTTIN, unix.SIGTTOU,
}

// Upgrade replaces this master by the program that its binary's path holds now:
// control.Master. Workers are not touched. After an error this master goes on.
func (m *Master) Upgrade() (control.Upgraded, error) { return m.upgrade("") }

// upgrade tells the next master what to do first.
func (m *Master) upgrade(then string) (u control.Upgraded, err error) {
	if !m.replaceable() {
		return u, control.WithExit(errors.New("cannot replace the master: one that develops, or waits for something to "+
			"start, is stopped and started anew"), control.ExitBusy)
	}
	if !m.succession.mu.TryLock() {
		return u, control.WithExit(errors.New("cannot replace the master: another one is just being started"),
			control.ExitBusy)
	}
	if m.isHandedOver() {
		m.succession.mu.Unlock()
		return u, control.HandedOver(0)
	}
	m.succession.failed.Store(nil)
	m.preparing.Lock()
	defer m.preparing.Unlock()
	m.after.wait(context.Background())
	self, err := ownBinary()
	if err == nil {
		m.log.Info("replacing the master", "binary", self, "how", m.way())
		u, err = m.replace(self, then)
	}
	if errors.Is(err, pool.ErrNotRunning) {
		m.succession.mu.Unlock()
		return u, control.WithExit(errors.New("cannot replace the master: it is stopping, or its start has just failed; "+
			"try again"), control.ExitBusy)
	}
	if err != nil {
		m.upgradeFailed(err)
		m.refuse(self, err)
		m.succession.mu.Unlock()
		return u, control.WithExit(fmt.Errorf("%w\n  this master goes on", err), control.ExitRollFailed)
	}
	return u, nil
}

// replaceable says whether another master could go on with what this one does.
func (m *Master) replaceable() bool { return m.opts.Arrival != nil && !m.unready() }

func (m *Master) upgradeFailed(err error) {
	text := err.Error()
	m.succession.failed.Store(&text)
	m.log.Error("the master was not replaced: this one goes on", "err", err)
	m.announcer.Warnings.Set(announce.UpgradeWarning, "relevo itself could not be replaced: "+text)
}

// way is how this master is replaced: in place where another pid would hurt.
func (m *Master) way() string {
	if decide.ReplaceInPlace(os.Getpid(), m.app().Upgrade, m.opts.Terminal) {
		return howExec
	}
	return howTableflip
}

// replace freezes everything and hands it over, or thaws it.
func (m *Master) replace(self, then string) (u control.Upgraded, err error) {
	how := m.way()
	defer m.reaper.Pause()() // the new program is somebody else's child to wait for
	m.pauseNotify()
	m.health.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), freezePatience)
	defer cancel()
	left, err := m.running().Freeze(ctx)
	if err != nil {
		m.health.Resume()
		m.resumeNotify()
		return u, fmt.Errorf("cannot replace the master: %w", err)
	}
	m.succession.frozen.Store(true)
	u = control.Upgraded{PID: os.Getpid(), From: os.Getpid(), How: how, Successions: m.successions + 1}
	legacy, done, err := m.bequeath(left, then)
	switch {
	case err != nil:
	case how == howExec:
		in := m.inPlace(self)
		if err = blame(in.Check(legacy)); err == nil {
			// When whoever has asked has been answered.
			m.later.Go(func() { m.become(in, then, legacy, done) })
			return u, nil
		}
	default:
		u.PID, err = m.opts.Arrival.flip.Upgrade(legacy)
		err = blame(err)
	}
	done()
	if err != nil {
		m.thaw()
		return u, err
	}
	m.log.Info("another master goes on", "pid", u.PID)
	if then == thenReload {
		m.succession.owed.reloadsDone(1)
	}
	m.introduce(u.PID)
	m.succession.pid = u.PID
	close(m.succession.over)
	m.report(m.running().HandOver())
	return u, nil
}

// newcomerError is one of the new program: it would fail again.
type newcomerError struct{ error }

func (e newcomerError) Unwrap() error { return e.error }

// blame makes an error of a replacement the new program's, unless it tells of a shortage of
// this master.
func blame(err error) error {
	if err == nil || launch.IsShortage(err) {
		return err
	}
	return newcomerError{err}
}

// become is the exec in place. It returns only if that fails, and this master goes
// on.
func (m *Master) become(in *upgrader.InPlace, then string, l upgrader.Legacy, done func()) {
	m.report(m.control.Leave())
	in.Still = func() error {
		m.hearing.settle(m.signals) // what is still on its way would end with this program
		if m.succession.stop.Load() || len(m.signals) > 0 {
			return errors.New("it is asked for something else")
		}
		return nil
	}
	var owed []syscall.Signal
	in.Owed = func() []syscall.Signal {
		if then == thenReload {
			m.succession.owed.reloadsDone(1)
		}
		owed = m.succession.owed.take()
		return owed
	}
	err := in.Exec(l)
	signal.Notify(m.signals, taken(os.Getpid() == 1)...)
	if again, controlErr := control.TakeOver(l.Files[controlFile], m.controlPath(), m, m.log); controlErr == nil {
		m.control = again
		m.later.Go(func() { m.report(again.Serve()) })
	} else {
		m.report(controlErr)
	}
	done()
	m.upgradeFailed(err)
	m.thaw()
	m.succession.mu.Unlock()
	for _, sig := range owed {
		unix.Kill(os.Getpid(), sig)
	}
}

// bequeath gathers what the next master gets. done lets go of copies that were made
// for it.
func (m *Master) bequeath(left pool.Legacy, then string) (l upgrader.Legacy, done func(), err error) {
	var copies []*os.File
	done = func() {
		for _, file := range copies {
			file.Close()
		}
	}
	l.Document, l.Files, err = m.document(left, then)
	if err != nil {
		return l, done, err
	}
	lend := func(name string, of interface{ File() (*os.File, error) }) {
		file, lendErr := of.File()
		if lendErr != nil {
			err = errors.Join(err, fmt.Errorf("cannot hand over the %s socket: %w", name, lendErr))
			return
		}
		copies = append(copies, file)
		l.Files[name] = file
	}
	lend(controlFile, m.control)
	if m.notify != nil {
		lend(notifyFile, m.notify)
	}
	l.Files[lockFile] = m.lock.File()
	if m.keeper != nil {
		l.Files[memoryFile] = m.keeper.memory.File()
	}
	return l, done, err
}

// Names of the master's own files in a legacy.
const (
	controlFile = "control"
	notifyFile  = "notify"
	lockFile    = "lock"
	memoryFile  = "memory" // the document of the keeper
)

// introduce tells systemd who goes on, while it still listens to this process.
func (m *Master) introduce(pid int) {
	m.systemd.MainPID(pid)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := m.systemd.Barrier(ctx); err != nil {
		m.log.Warn("systemd may not know the new main process", "pid", pid, "err", err)
	}
}

func (m *Master) inPlace(self string) *upgrader.InPlace {
	return &upgrader.InPlace{
		Path: self, Args: os.Args, Patience: m.opts.Arrival.patience, HoldBack: handedSignals,
	}
}

// CheckVerb is the argument with which masters of older relevos ask whether this
// program could go on: see CheckLegacy.
const CheckVerb = "--upgrade-check"

// thaw goes on as if nothing had been.
func (m *Master) thaw() {
	m.succession.frozen.Store(false)
	m.report(m.running().Thaw())
	m.health.Resume()
	m.resumeNotify()
	if m.succession.stop.Swap(false) {
		m.report(m.Stop(m.succession.force.Load()))
	}
}

func (m *Master) pauseNotify() {
	if m.notify != nil {
		m.report(m.notify.Pause())
		<-m.notified // what was read is delivered
	}
}

func (m *Master) resumeNotify() {
	if m.notify != nil {
		m.report(m.notify.Resume())
		m.serveNotify()
	}
}

// serveNotify serves until Pause or the end.
func (m *Master) serveNotify() {
	m.notified = make(chan struct{})
	go func() {
		defer close(m.notified)
		m.report(m.notify.Serve(m.launcher.Notified))
	}()
}

// afterThaw runs what was not done because another master seemed to go on, if this
// one does.
func (m *Master) afterThaw(do func()) {
	m.later.Go(func() {
		m.succession.await()
		do()
	})
}

// await returns when nobody is about to go on; never where another one does.
func (s *succession) await() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// blocked is why nothing may be opened now: the sockets are another master's, or about to be.
func (s *succession) blocked() error {
	select {
	case <-s.over:
		return pool.ErrHandedOver
	default:
	}
	if s.frozen.Load() {
		return pool.ErrHandedOver
	}
	return nil
}

// isHandedOver says whether another master goes on.
func (m *Master) isHandedOver() bool {
	select {
	case <-m.succession.over:
		return true
	default:
		return false
	}
}

// leave is the end of a master that another one follows.
func (m *Master) leave() error {
	m.report(m.control.Leave())
	if m.succession.stop.Load() {
		unix.Kill(m.succession.pid, unix.SIGTERM)
	}
	for _, sig := range m.succession.owed.take() {
		unix.Kill(m.succession.pid, sig)
	}
	defer m.forceSuccessor()
	go func() { // what comes in the last moment is meant for whoever is the master
		for sig := range m.signals {
			unix.Kill(m.succession.pid, sig.(syscall.Signal))
		}
	}()
	return m.opts.Arrival.flip.Confirm()
}

// forceSuccessor hands on that the stop was asked for by force: as signals the two would
// come at the same moment, and be one stop.
func (m *Master) forceSuccessor() {
	if !m.succession.stop.Load() || !m.succession.force.Load() {
		return
	}
	client, err := control.Connect(context.Background(), m.controlPath())
	if err == nil {
		err = client.Stop(context.Background(), true)
	}
	if err != nil && control.ExitCode(err) != control.ExitNotRunning { // it has ended by itself
		m.log.Error("cannot hand on that the stop is to be forced", "err", err)
	}
}
