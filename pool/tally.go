package pool

import (
	"time"

	"relevo/pool/machine"
	"relevo/pool/tally"
)

// count counts the end of a worker.
func (p *Pool) count(m *member, r Exited) {
	p.tally.Died(m.death(r))
	if !m.leaving.IsZero() {
		p.tally.DrainTime.Add(time.Since(m.leaving))
	}
}

func (m *member) death(r Exited) tally.Death {
	switch status := r.Status; {
	case status.OutOfMemory:
		return tally.OOM
	case m.hung:
		return tally.Hang
	case m.asked || m.leftInOrder(status):
		return tally.Asked
	case status.Error != "":
		return tally.Never
	case faulty(status.Signal) || status.Code != 0:
		return tally.Crash
	case status.Signal != 0:
		return tally.Signal
	}
	return tally.Exit
}

// causeOf is why a worker starts that the previous master did not get to start.
func (p *Pool) causeOf(m *member) machine.Cause {
	if m == nil || m.cause == "" {
		return machine.CauseRespawn
	}
	return m.cause
}
