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

	"relevo/config"
	"relevo/control"
	"relevo/ipc"
	"relevo/pool"
	"relevo/systemd"
	"relevo/upgrader"
)

// succession is this master's part in its own replacement.
type succession struct {
	mu      sync.Mutex // held from the freeze to the end of this master, or to the thaw
	over    chan struct{}
	pid     int         // of the successor, when over is closed
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
	if m.opts.Arrival == nil {
		return u, control.WithExit(errors.New("cannot replace this master: it is one for development; end it and start it anew"), control.ExitRollFailed)
	}
	if !m.succession.mu.TryLock() {
		return u, control.WithExit(errors.New("cannot replace the master: another one is just being started"), control.ExitBusy)
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
	if err != nil {
		m.upgradeFailed(err)
		m.refuse(self, err)
		m.succession.mu.Unlock()
		return u, control.WithExit(fmt.Errorf("%w\n  this master goes on", err), control.ExitRollFailed)
	}
	return u, nil
}

func (m *Master) upgradeFailed(err error) {
	text := err.Error()
	m.succession.failed.Store(&text)
	m.log.Error("the master was not replaced: this one goes on", "err", err)
	m.warnings.set(upgradeWarning, "relevo itself could not be replaced: "+text)
}

// upgradeWarning is the kind of the one that a new relevo could not go on.
const upgradeWarning = "upgrade"

// way is how this master is replaced: in place where another pid would hurt.
func (m *Master) way() string {
	switch mode := m.app().Upgrade; {
	case mode == config.UpgradeExec, mode == config.UpgradeAuto && (os.Getpid() == 1 || m.opts.Terminal):
		return howExec
	}
	return howTableflip
}

// replace freezes everything and hands it over, or thaws it.
func (m *Master) replace(self, then string) (u control.Upgraded, err error) {
	how := m.way()
	defer m.reaper.Pause()() // the new program is somebody else's child to wait for
	m.pauseNotify()
	ctx, cancel := context.WithTimeout(context.Background(), freezePatience)
	defer cancel()
	left, err := m.running().Freeze(ctx)
	if err != nil {
		m.resumeNotify()
		return u, fmt.Errorf("cannot replace the master: %w", err)
	}
	u = control.Upgraded{PID: os.Getpid(), From: os.Getpid(), How: how, Successions: m.successions + 1}
	legacy, done, err := m.bequeath(left, then)
	switch {
	case err != nil:
	case how == howExec:
		if err = blame(m.inPlace(self).Check(legacy.Document)); err == nil {
			// When whoever has asked has been answered.
			m.later.Go(func() { m.become(self, then, legacy, done) })
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

func blame(err error) error {
	if err == nil {
		return nil
	}
	return newcomerError{err}
}

// become is the exec in place. It returns only if that fails, and this master goes
// on.
func (m *Master) become(self, then string, l upgrader.Legacy, done func()) {
	m.report(m.control.Leave())
	in := m.inPlace(self)
	in.Still = func() error {
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
	if again, controlErr := control.Inherit(l.Files[controlFile], m.controlPath(), m, m.log); controlErr == nil {
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

func (m *Master) inPlace(self string) upgrader.InPlace {
	return upgrader.InPlace{
		Path: self, Args: os.Args, CheckArgs: []string{CheckVerb}, Patience: m.opts.Arrival.patience, HoldBack: handedSignals,
	}
}

// CheckVerb is the first argument with which the program only says whether it could
// go on with a legacy: see CheckLegacy.
const CheckVerb = "--upgrade-check"

// thaw goes on as if nothing had been.
func (m *Master) thaw() {
	m.report(m.running().Thaw())
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
		m.succession.mu.Lock() // for ever where another one goes on
		m.succession.mu.Unlock()
		do()
	})
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
	go func() { // what comes in the last moment is meant for whoever is the master
		for sig := range m.signals {
			unix.Kill(m.succession.pid, sig.(syscall.Signal))
		}
	}()
	return m.opts.Arrival.flip.Confirm()
}

// takeOver tells the master before that it may go, waits for that, and begins.
func (m *Master) takeOver() error {
	a := m.opts.Arrival
	if a == nil {
		return nil
	}
	if err := a.flip.Ready(); err != nil {
		return err
	}
	confirmed, err := a.flip.AwaitPredecessor(context.Background())
	if err != nil {
		return err
	}
	if !confirmed && os.Getenv("NOTIFY_SOCKET") != "" {
		// It died before systemd knew of this process, and systemd starts another.
		return errors.New("cannot succeed a master that has died meanwhile: systemd starts another one")
	}
	m.owns = true
	m.keeper.begin()
	if a.in != nil {
		a.in.Close() // what nobody has taken
	}
	if a.lost != nil {
		m.log.Error("begins anew: the master before cannot be succeeded, its workers were ended", "err", a.lost)
	}
	if !a.succeeds() {
		return nil
	}
	m.listeners.upgrader.Begin()
	if a.how == howStore {
		// Those that the master before had started and not yet told of.
		return m.endWorkersBut(m.adopted)
	}
	return nil
}

// inheritName takes over lock and sockets of the name, or makes them anew where
// they ended with the master before.
func (m *Master) inheritName(in *upgrader.Inheritance) error {
	lock, err := in.File(lockFile)
	if errors.Is(err, upgrader.ErrNotInherited) {
		return m.takeName()
	}
	if err != nil {
		return err
	}
	m.lock = control.InheritLock(lock, m.opts.Places.Lock(m.opts.App.Name))
	return nil
}

// openNotify opens the workers' notify socket, or goes on with that of the master
// before.
func (m *Master) openNotify(path string) (*ipc.NotifyServer, error) {
	if a := m.opts.Arrival; a != nil && a.in != nil {
		if socket, err := a.in.File(notifyFile); err == nil {
			return ipc.InheritNotify(path, socket)
		}
	}
	return ipc.ListenNotify(path)
}

func (m *Master) controlPath() string { return m.opts.Places.ControlSocket(m.opts.App.Name) }

// serveControl answers clients from now on.
func (m *Master) serveControl() {
	if !m.answers {
		m.answers = true
		server := m.control
		m.later.Go(func() { m.report(server.Serve()) })
	}
}

func (m *Master) openControl() (err error) {
	if m.control != nil {
		return nil // somebody waited
	}
	path := m.controlPath()
	if a := m.opts.Arrival; a != nil && a.in != nil {
		if socket, err := a.in.File(controlFile); err == nil {
			m.control, err = control.Inherit(socket, path, m, m.log)
			return err
		}
	}
	m.control, err = control.Listen(path, m, m.log)
	return err
}

// openKeeper finds out whether systemd keeps files for this unit.
func (m *Master) openKeeper() error {
	m.systemd = systemd.NewNotifier(os.Getenv, func(err error) { m.log.Warn("cannot notify systemd", "err", err) })
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	size, known := systemd.StoreSize(os.Getenv)
	if known && size == 0 {
		m.log.Warn("systemd keeps no files for this unit: if this master is killed, its workers are lost with it; set FileDescriptorStoreMax= in the unit (relevo unit)")
		return nil
	}
	memory, stored, err := m.memory()
	if err != nil {
		m.log.Warn("cannot keep the state for a master after this one", "err", err)
		return nil
	}
	m.keeper = newKeeper(m.systemd, memory, stored)
	m.keeper.failed, m.keeper.size = m.keepingFailed, size
	m.keeper.state = func(l pool.Legacy) ([]byte, error) {
		text, _, err := m.document(l, "")
		return text, err
	}
	return nil
}

// retainListeners leaves the addresses with systemd at the end of the app, for the
// case that this is a restart: it closes them where it is not. A Unix socket is not
// worth it, for its file goes with this master.
func (m *Master) retainListeners() {
	all, _ := m.listeners.upgrader.Legacy()
	var names []string
	l := m.state()
	l.Stopped = true
	for _, listener := range all {
		if listener.Unix == nil && !listener.Lent && !listener.Leaving {
			names = append(names, upgrader.ListenerFile(listener.ID))
		}
	}
	m.report(m.keeper.retain(l, names))
}

// keepingFailed warns once: the service is none the worse for it as long as this
// master lives.
func (m *Master) keepingFailed(err error) {
	m.keepWarned.Do(func() {
		m.log.Warn("systemd may not keep everything: if this master is killed, workers may be lost", "err", err)
	})
}

// memory is the document that systemd has, or a new one.
func (m *Master) memory() (memory *upgrader.Document, stored []string, err error) {
	a := m.opts.Arrival
	if a == nil || a.in == nil {
		memory, err = upgrader.NewDocument()
		return memory, nil, err
	}
	if a.how == howStore {
		if memory = a.in.Memory(); memory != nil {
			return memory, append(a.stored, storedDocument), nil
		}
	}
	if memory, err = a.in.Continue(memoryFile); err == nil {
		return memory, a.legacy.Stored, nil
	}
	memory, err = upgrader.NewDocument()
	return memory, nil, err
}
