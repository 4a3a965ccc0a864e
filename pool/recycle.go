package pool

import (
	"fmt"
	"strconv"

	"relevo/pool/machine"
)

// Recycle asks to replace a serving worker by one of its own generation, new
// beside old. It waits its turn: one at a time, and none during a roll. The error
// is ErrNoWorker where no worker of that id serves; a successor that does not
// start is no error, the worker serves on then.
func (p *Pool) Recycle(id, reason string) error {
	found := false
	err := p.changing(func() {
		number, _ := strconv.Atoi(id)
		m := p.members[number]
		if found = m != nil && m.state == machine.Serving; found {
			p.step(machine.Recycle{Worker: m.id, Reason: reason})
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("cannot recycle worker %s: %w that serves", id, ErrNoWorker)
	}
	return err
}
