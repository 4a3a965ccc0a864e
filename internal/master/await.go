package master

import (
	"context"
	"errors"
	"os"

	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/pool"
)

// stateWaiting is the state of a master whose sockets are open, and that has nothing to start yet:
// Options.Await.
const stateWaiting = "waiting"

func (st *starts) await(ctx context.Context, cancel context.CancelFunc, failed error) error {
	defer cancel()
	st.stage.await(cancel)
	err := st.opts.Await(ctx, failed)
	st.stage.happened(decide.WaitEnds)
	if st.stopping() {
		return errStopped
	}
	st.stage.endSubscriptions()
	return err
}

// awaitAnother waits after a failed start until there is another release to start, and prepares it.
// It returns false if there is none.
func (st *starts) awaitAnother(ctx context.Context, err *error) bool {
	var failed *pool.StartError
	for st.opts.Await != nil && !st.stopping() && (errors.As(*err, &failed)) {
		waiting, cancel := context.WithCancel(ctx)
		if *err = stoppedEarly(st.await(waiting, cancel, *err)); *err != nil || st.stopping() {
			return false
		}
		unready := st.makePool()
		if unready == nil {
			return !st.stopping()
		}
		*err = &pool.StartError{Reason: unready.Error()}
	}
	return false
}

// another says whether another pool may follow the one that has ended: a start has failed, and
// another release may be started.
func (st *starts) another(err error) bool {
	return errors.Is(err, pool.ErrNotRunning) && st.stage.is().Between()
}

// waitingStatus is the status before there is a pool.
func (st *starts) waitingStatus() control.Status {
	s := control.Status{
		Name: st.opts.App.Name, PID: os.Getpid(), Version: st.opts.Version, Build: st.opts.Build,
		Listeners: st.boot.sockets.ForPeople(),
		Config:    st.opts.ConfigFile, Warnings: st.announcer.Warnings.List(),
	}
	s.State, s.Workers = stateWaiting, []pool.Worker{}
	return s
}
