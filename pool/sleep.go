package pool

import (
	"errors"

	"relevo/pool/machine"
)

// ErrBusy is returned by Sleep where something is under way.
var ErrBusy = errors.New("pool: a worker does not serve, or a roll is under way")

// asleep is Status.State of a pool that sleeps.
const asleep = "asleep"

// Sleep drains all workers, so that there are none until Wake or Resize. The error is ErrBusy
// unless all slots serve and no roll is under way.
func (p *Pool) Sleep(reason string) error {
	busy := false
	err := p.changing(func() {
		p.step(machine.Sleep{Reason: reason})
		busy = p.machine.View().Asleep.IsZero()
	})
	if err == nil && busy {
		return ErrBusy
	}
	return err
}

// Wake starts that many workers if the pool sleeps. A roll that was requested meanwhile begins.
func (p *Pool) Wake(workers int, reason string) error {
	return p.changing(func() { p.step(machine.Wake{Workers: workers, Reason: reason}) })
}

// Asleep says that the roll begins when the pool wakes.
func (roll *PendingRoll) Asleep() bool { return roll.asleep }
