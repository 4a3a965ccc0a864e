package master

import (
	"errors"

	"relevo/pool"
)

// Stop begins the end: control.Master.
func (q *requests) Stop(force bool) error {
	q.stage.stop()
	if q.stage.end() {
		return nil
	}
	end, status := q.running().Stop, "stopping: workers finish what they have accepted"
	if force {
		end, status = q.running().Force, "stopping by force"
	}
	err := end()
	if errors.Is(err, pool.ErrNotRunning) && !q.boot.isOver() {
		return nil // between two starts: the second one looks whether it is still wanted
	}
	if err != nil {
		return err
	}
	q.systemd.Stopping(status)
	q.systemd.ExtendTimeout(stopTime(q.app()))
	return nil
}
