package master

import (
	"context"
	"errors"
	"os"

	"relevo/internal/control"
	"relevo/pool"
)

// errWaiting is the answer to who wants something of workers that there are none of.
var errWaiting = control.WithExit(
	errors.New("cannot do that: nothing has come up yet; relevo status says what is waited for"), control.ExitBusy)

// errStopped ends a wait that somebody wants the end of.
var errStopped = errors.New("stopped while waiting for something to start")

// stateWaiting is the state of a master whose sockets are open and who has nothing
// to start: Options.Await.
const stateWaiting = "waiting"

// awaitFirst waits until there is something to start. The sockets are open: who
// connects is served when it has come up.
func (m *Master) awaitFirst() error {
	if m.opts.Attach != nil {
		if err := m.opts.Attach(m); err != nil {
			return err
		}
	}
	if m.opts.Await == nil {
		return nil
	}
	m.stage.use(pool.Ended())
	ctx, cancel := context.WithCancel(context.Background())
	m.stage.await(cancel) // before anybody can ask
	if err := m.openControl(); err != nil {
		return err
	}
	m.serveControl()
	m.box.hear(true)
	defer m.box.hear(false)
	return m.await(ctx, cancel, nil)
}

func (st *starts) await(ctx context.Context, cancel context.CancelFunc, failed error) error {
	defer cancel()
	st.stage.await(cancel)
	err := st.opts.Await(ctx, failed)
	st.stage.await(nil)
	if st.stage.stopping() {
		return errStopped
	}
	st.stage.release()
	return err
}

// awaitAnother waits, after a start that failed, until something else can be
// started, and prepares that. Otherwise it says false.
func (st *starts) awaitAnother(ctx context.Context, err *error) bool {
	var failed *pool.StartError
	for st.opts.Await != nil && !st.stage.stopping() && (errors.As(*err, &failed)) {
		waiting, cancel := context.WithCancel(ctx)
		if *err = stoppedEarly(st.await(waiting, cancel, *err)); *err != nil || st.stage.stopping() {
			return false
		}
		unready := st.makePool()
		if unready == nil {
			return !st.stage.stopping()
		}
		*err = &pool.StartError{Reason: unready.Error()}
	}
	return false
}

func stoppedEarly(err error) error {
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// another says whether a pool that does not run is only followed by another one:
// a start has failed, and something else may come up.
func (st *starts) another(err error) bool {
	return errors.Is(err, pool.ErrNotRunning) && !st.boot.isOver() && !st.stage.stopping()
}

// waitingStatus is what can be seen before anything serves.
func (st *starts) waitingStatus() control.Status {
	s := control.Status{
		Name: st.opts.App.Name, PID: os.Getpid(), Version: st.opts.Version, Listeners: st.boot.sockets.ForPeople(),
		Config: st.opts.ConfigFile, Warnings: st.announcer.Warnings.List(),
	}
	s.State, s.Workers = stateWaiting, []pool.Worker{}
	return s
}

// Warn sets the one warning of a kind that `relevo status` shows; an empty text
// takes it away.
func (m *Master) Warn(kind, text string) { m.announcer.Warnings.Set(kind, text) }

// Dropped counts the connections that the kernel turned away at the listeners of
// now since they were opened; ok is false where it does not tell.
func (m *Master) Dropped() (n int, ok bool) { return m.listeners.Upgrader.Dropped() }
