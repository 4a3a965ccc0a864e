package master

import (
	"context"
	"errors"
	"os"

	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/pool"
)

// stateWaiting is the state of a master whose sockets are open and who has nothing
// to start: Options.Await.
const stateWaiting = "waiting"

func (st *starts) await(ctx context.Context, cancel context.CancelFunc, failed error) error {
	defer cancel()
	st.stage.await(cancel)
	err := st.opts.Await(ctx, failed)
	st.stage.happened(decide.WaitEnds)
	if st.stopping() {
		return errStopped
	}
	st.stage.release()
	return err
}

// awaitAnother waits, after a start that failed, until something else can be
// started, and prepares that. Otherwise it says false.
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

// another says whether a pool that does not run is only followed by another one:
// a start has failed, and something else may come up.
func (st *starts) another(err error) bool {
	return errors.Is(err, pool.ErrNotRunning) && st.stage.is().Between()
}

// waitingStatus is what can be seen before anything serves.
func (st *starts) waitingStatus() control.Status {
	s := control.Status{
		Name: st.opts.App.Name, PID: os.Getpid(), Version: st.opts.Version, Build: st.opts.Build,
		Listeners: st.boot.sockets.ForPeople(),
		Config:    st.opts.ConfigFile, Warnings: st.announcer.Warnings.List(),
	}
	s.State, s.Workers = stateWaiting, []pool.Worker{}
	return s
}
