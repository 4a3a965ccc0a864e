package master

import (
	"errors"

	"relevo/internal/decide"
	"relevo/pool"
)

// Stop begins a graceful stop, or a stop by force: control.Master.
func (q *requests) Stop(force bool) (err error) {
	end, status := (*pool.Pool).Stop, "stopping: workers finish what they have accepted"
	if force {
		end, status = (*pool.Pool).Force, "stopping by force"
	}
	if q.box.askPool(decide.StopAsked, func() { err = end(q.running()) }) != decide.AskPool {
		return nil // there is no pool yet: the wait for something to start has ended
	}
	if errors.Is(err, pool.ErrNotRunning) && q.stage.happened(decide.NotRunning) == decide.StopIsNoted {
		return nil
	}
	if err != nil {
		return err
	}
	q.systemd.Stopping(status)
	q.systemd.ExtendTimeout(stopTime(q.app()))
	return nil
}
