package master

import (
	"context"
	"errors"
	"os"
	"sync"

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

// wait is the time in which Options.Await decides.
type wait struct {
	mu      sync.Mutex
	cancel  context.CancelFunc // nil: there is no wait
	readers []chan pool.Event  // who would see what happens; closed when there is something to see, or at the end
}

func (w *wait) begin(cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
}

func (w *wait) on() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cancel != nil
}

// subscribe returns events that do not come while there is a wait.
func (w *wait) subscribe() (events <-chan pool.Event, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel == nil {
		return nil, false
	}
	reader := make(chan pool.Event)
	w.readers = append(w.readers, reader)
	return reader, true
}

// release lets the readers go.
func (w *wait) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, reader := range w.readers {
		close(reader)
	}
	w.readers = nil
}

// unready says whether there are no workers to do anything with.
func (m *Master) unready() bool { return m.wait.on() || m.serving() == nil }

// end ends the wait early. It says false where there is none.
func (w *wait) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil {
		w.cancel()
	}
	return w.cancel != nil
}

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
	m.pool.Store(pool.Ended())
	ctx, cancel := context.WithCancel(context.Background())
	m.wait.begin(cancel) // before anybody can ask
	if err := m.openControl(); err != nil {
		return err
	}
	m.serveControl()
	serving, stop := context.WithCancel(context.Background())
	var signals sync.WaitGroup
	signals.Go(func() { m.serveSignals(serving) })
	err := m.await(ctx, cancel, nil)
	stop()
	signals.Wait()
	return err
}

func (m *Master) await(ctx context.Context, cancel context.CancelFunc, failed error) error {
	defer cancel()
	m.wait.begin(cancel)
	err := m.opts.Await(ctx, failed)
	m.wait.begin(nil)
	if m.stopping.Load() {
		return errStopped
	}
	m.wait.release()
	return err
}

// awaitAnother waits, after a start that failed, until something else can be
// started, and prepares that. Otherwise it says false.
func (m *Master) awaitAnother(ctx context.Context, err *error) bool {
	var failed *pool.StartError
	for m.opts.Await != nil && !m.stopping.Load() && (errors.As(*err, &failed)) {
		waiting, cancel := context.WithCancel(ctx)
		if *err = stoppedEarly(m.await(waiting, cancel, *err)); *err != nil || m.stopping.Load() {
			return false
		}
		unready := m.makePool()
		if unready == nil {
			return !m.stopping.Load()
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
func (m *Master) another(err error) bool {
	return errors.Is(err, pool.ErrNotRunning) && !m.boot.over.Load() && !m.stopping.Load()
}

// waitingStatus is what can be seen before anything serves.
func (m *Master) waitingStatus() control.Status {
	s := control.Status{
		Name: m.opts.App.Name, PID: os.Getpid(), Version: m.opts.Version, Listeners: m.boot.sockets.ForPeople(),
		Config: m.opts.ConfigFile, Warnings: m.announcer.Warnings.List(),
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
