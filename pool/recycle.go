package pool

import "relevo/pool/machine"

// Recycle asks to replace a serving worker by one of its own generation, which starts
// beside it. Recycling happens one worker at a time, and not during a roll. The error is
// ErrNoWorker if no worker of that id serves. If the successor does not start, that is no
// error: the worker keeps serving.
func (p *Pool) Recycle(id string, cause machine.Cause, reason string) error {
	return p.serving(id, func(m *member) { p.step(machine.Recycle{Worker: m.id, Cause: cause, Reason: reason}) })
}
