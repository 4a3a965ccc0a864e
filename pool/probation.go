package pool

import (
	"errors"
	"strconv"
	"time"

	"relevo/pool/machine"
)

// Canary describes the first worker of a roll while it is on probation.
type Canary struct {
	Slot  int       `json:"slot"`
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
	// Share is its part of new connections, such as 5%; empty: as each other worker's.
	Share string `json:"share,omitempty"`
	Hint  string `json:"hint,omitempty"` // why it gets another share, where it does
}

// Trials is implemented by a Release that can give its canary a share of new connections.
type Trials interface {
	// CanaryShare returns the share of a canary, and a hint where the canary gets another
	// one.
	CanaryShare(worker string) (share, hint string)
}

// canaryShare is empty for a release without Trials.
func (p *Pool) canaryShare(generation, worker int) (share, hint string) {
	if trials, ok := p.releases[generation].(Trials); ok {
		return trials.CanaryShare(strconv.Itoa(worker))
	}
	return "", ""
}

// canary is nil where none is on probation.
func (p *Pool) canary(view machine.View) *Canary {
	on := view.Probation
	if on == nil {
		return nil
	}
	c := &Canary{Slot: on.Slot, ID: strconv.Itoa(on.Worker), Until: on.Until}
	c.Share, c.Hint = p.canaryShare(view.Rolling, on.Worker)
	return c
}

func (p *Pool) onProbation(e machine.OnProbation) {
	lasts := time.Until(e.Until).Round(time.Millisecond).Milliseconds()
	event := Event{Kind: KindRoll, Step: StepProbation, Generation: e.Generation, Slot: &e.Slot,
		ID: strconv.Itoa(e.Worker), AfterMS: &lasts}
	event.Share, event.Hint = p.canaryShare(e.Generation, e.Worker)
	p.publish(event)
}

// admit ends a canary's trial.
func (p *Pool) admit(m *member) {
	if m == nil {
		return
	}
	m.canary = false
	if m.process != nil {
		m.process.Admit()
	}
}

// Errors of Promote and Abort.
var (
	ErrNotRolling  = errors.New("no roll is under way")
	ErrNotReady    = errors.New("the canary is not ready yet")
	ErrNoProbation = errors.New("the canary has passed its probation")
	ErrReverting   = errors.New("the roll is being undone already")
)

const abortedByRequest = "aborted by request"

// Promote ends the probation of the canary, as if its time were over, and returns it.
func (p *Pool) Promote() (c Canary, err error) {
	refused := p.changing(func() {
		view := p.machine.View()
		switch on := p.canary(view); {
		case on != nil:
			c = *on
			p.step(machine.Promote{})
		case view.Rolling == 0:
			err = ErrNotRolling
		case view.Reverting:
			err = ErrReverting
		case view.Passed:
			err = ErrNoProbation
		default:
			err = ErrNotReady
		}
	})
	return c, errors.Join(refused, err)
}

// Abort ends the roll in progress: replaced slots go back to the old generation. The
// result of the roll says whether they all did.
func (p *Pool) Abort() (*PendingRoll, error) {
	roll := &PendingRoll{pool: p, result: make(chan RollResult, 1)}
	var err error
	refused := p.changing(func() {
		view := p.machine.View()
		switch {
		case view.Rolling == 0:
			err = ErrNotRolling
		case view.Reverting:
			err = ErrReverting
		default:
			roll.generation = view.Rolling
			request := p.rolls[view.Rolling]
			request.waiters = append(request.waiters, roll.result)
			p.step(machine.Abort{Reason: abortedByRequest})
		}
	})
	return roll, errors.Join(refused, err)
}
