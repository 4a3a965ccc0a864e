package pool

import "relevo/pool/machine"

// Recycle asks to replace a serving worker by one of its own generation, new
// beside old. It waits its turn: one at a time, and none during a roll. The error
// is ErrNoWorker where no worker of that id serves; a successor that does not
// start is no error, the worker serves on then.
func (p *Pool) Recycle(id, reason string) error {
	return p.serving(id, func(m *member) { p.step(machine.Recycle{Worker: m.id, Reason: reason}) })
}
