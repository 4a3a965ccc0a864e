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

// requests are those of the control socket that concern workers and releases. What changes
// something is a message of the loop, which has it done outside, by the pool in the end. What only
// looks (Status, Await, Subscribe, Recent) asks the pool itself: an answer is due whatever
// the loop is at, and orders nothing.
type requests struct {
	*core
	*rolls
}

// Await returns a roll that a master before this one was asked for: control.Master.
func (q *requests) Await(generation int) (control.Wait, error) {
	pending, err := q.running().Await(generation)
	if err != nil {
		return nil, err
	}
	return q.waitFor(pending), nil
}

// ask has the loop ask the pool. An error says why it does not.
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
			break // it has just left
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

// Recent returns what has happened lately: control.Master.
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

// usage marks an error as the caller's where he named a worker that is not there.
func usage(err error) error {
	for _, mistake := range []error{pool.ErrNoWorker, ipc.ErrReserved, ipc.ErrLineTooLong} {
		if errors.Is(err, mistake) {
			return control.WithExit(err, control.ExitUsage)
		}
	}
	return err
}
