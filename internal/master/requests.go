package master

import (
	"errors"
	"fmt"
	"syscall"

	"relevo/internal/control"
	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
)

// requests are those of the control socket that concern workers and releases.
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

// Recycle has the worker of a slot replaced: control.Master.
func (q *requests) Recycle(slot int) (control.Recycled, error) {
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
func (q *requests) Send(t pool.Target, data []byte) ([]string, error) {
	reached, err := q.running().Send(t, data)
	if err != nil {
		err = fmt.Errorf("cannot send: %w", err)
	}
	return reached, usage(err)
}

// Signal sends a signal to workers: control.Master.
func (q *requests) Signal(t pool.Target, sig syscall.Signal) ([]string, error) {
	reached, err := q.running().Signal(t, sig)
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
