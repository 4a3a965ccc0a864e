package master

import (
	"errors"
	"fmt"
	"syscall"

	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
)

// requests answers the requests of the control socket that concern workers and releases. A request
// that changes something is a message of the loop. A request that only looks (Status, Await,
// Subscribe, Recent) asks the pool itself, so that it is answered whatever the loop is doing.
type requests struct {
	*core
	*rolls
}

// Await returns a roll that was requested from a previous master: control.Master.
func (q *requests) Await(generation int) (control.Wait, error) {
	pending, err := q.running().Await(generation)
	if err != nil {
		return nil, err
	}
	return q.waitFor(pending), nil
}

// ask has the loop ask the pool. It returns an error if the stage does not allow that.
func (q *requests) ask(do func()) error {
	if q.box.askPool(decide.PoolAsked, do) == decide.RefuseToAsk {
		return errWaiting
	}
	return nil
}

// Recycle has the worker of a slot replaced: control.Master.
func (q *requests) Recycle(slot int) (r control.Recycled, err error) {
	if refused := q.ask(func() { r, err = q.recycle(slot) }); refused != nil {
		return r, refused
	}
	return r, err
}

func (q *requests) recycle(slot int) (control.Recycled, error) {
	status, err := q.running().Status()
	if err != nil {
		return control.Recycled{}, err
	}
	refuse := func(code int, why string) (control.Recycled, error) {
		return control.Recycled{}, control.WithExit(fmt.Errorf("cannot replace the worker of slot %d: %s", slot, why), code)
	}
	if status.Slots == 0 {
		return refuse(control.ExitBusy, "the app has none now; relevo status says why")
	}
	if slot < 0 || slot >= status.Slots {
		return refuse(control.ExitUsage, fmt.Sprintf("the slots are 0 to %d", status.Slots-1))
	}
	if status.Rolling != nil {
		return refuse(control.ExitBusy, "a roll is under way, and replaces it; relevo abort ends the roll")
	}
	for _, w := range status.Workers {
		if w.Slot != slot || w.State != string(machine.Serving) {
			continue
		}
		err := q.running().Recycle(w.ID, machine.CauseRequest, "asked for")
		if errors.Is(err, pool.ErrNoWorker) {
			break // the worker has just left
		}
		return control.Recycled{Slot: slot, Worker: w.ID}, err
	}
	return refuse(control.ExitBusy, "none serves there now; relevo status says why")
}

// Subscribe returns the events from now on: control.Master.
func (q *requests) Subscribe() (<-chan pool.Event, func(), error) {
	if events, waiting := q.stage.subscribe(); waiting {
		return events, func() {}, nil
	}
	return q.running().Subscribe()
}

// Recent returns the last events: control.Master.
func (q *requests) Recent() ([]pool.Entry, error) {
	if q.unready() {
		return []pool.Entry{}, nil
	}
	return q.running().Recent()
}

// Send sends an application message to workers: control.Master.
func (q *requests) Send(t pool.Target, data []byte) (reached []string, err error) {
	if refused := q.ask(func() { reached, err = q.running().Send(t, data) }); refused != nil {
		return nil, refused
	}
	if err != nil {
		err = fmt.Errorf("cannot send: %w", err)
	}
	return reached, usage(err)
}

// Signal sends a signal to workers: control.Master.
func (q *requests) Signal(t pool.Target, sig syscall.Signal) (reached []string, err error) {
	if refused := q.ask(func() { reached, err = q.running().Signal(t, sig) }); refused != nil {
		return nil, refused
	}
	return reached, usage(err)
}

// usage marks the error for a worker that does not exist as a mistake of the caller. If there is
// none because the app is asleep, the caller may try again later.
func usage(err error) error {
	if errors.Is(err, pool.ErrAsleep) {
		return control.WithExit(err, control.ExitBusy)
	}
	for _, mistake := range []error{pool.ErrNoWorker, ipc.ErrReserved, ipc.ErrLineTooLong} {
		if errors.Is(err, mistake) {
			return control.WithExit(err, control.ExitUsage)
		}
	}
	return err
}
