package launch

import (
	"context"
	"errors"

	"relevo/pool"
)

// Admission runs a health check before a ready worker may serve. The zero value admits
// every worker at once.
type Admission struct {
	Check string // what is checked, for people; empty: nothing
	// Admit returns when the worker may serve; an error says why it may not, and may have a
	// Hint. It calls doubt with what is wrong so far. It returns when ctx ends at the latest.
	Admit func(ctx context.Context, o pool.Order, doubt func(string)) error
}

// claims holds how a worker got ready (pool.Ready.How), while it waits for its admission.
type claims chan string

// isReady makes the worker ready, after its admission if there is one.
func (p *Process) isReady(how string) {
	if p.release.command.Admission.Admit == nil {
		p.serves(how)
		return
	}
	select {
	case p.claims <- how:
	default: // a claim is already waiting
	}
}

// watchAdmission waits until the worker is ready, and then has it admitted.
func (p *Process) watchAdmission() {
	admit := p.release.command.Admission.Admit
	if admit == nil {
		return
	}
	ctx, cancel := p.untilDetached()
	defer cancel()
	var how string
	select {
	case how = <-p.claims:
	case <-p.settled:
		return
	case <-ctx.Done():
		return
	}
	err := admit(ctx, p.order, func(fault string) { p.observed(pool.Obstructed{Hint: fault}) })
	switch {
	case ctx.Err() != nil:
		p.claims.restore(how) // for the next master
	case err != nil:
		p.observed(pool.Obstructed{Hint: hintOfRefusal(err)})
		p.observed(pool.Unhealthy{Reason: err.Error()})
	default:
		p.observed(pool.Obstructed{})
		p.serves(how)
	}
}

const slowToBeWell = "it must pass its health check before it serves; --health-start-period gives a slow one more time"

// hintOfRefusal is what to do about a worker that was not admitted.
func hintOfRefusal(err error) string {
	var known interface{ Hint() string }
	if errors.As(err, &known) && known.Hint() != "" {
		return known.Hint()
	}
	return slowToBeWell
}

func (c claims) restore(how string) {
	if how == "" {
		return
	}
	select {
	case c <- how:
	default:
	}
}

// waiting is the claim that waits, empty if there is none.
func (c claims) waiting() string {
	select {
	case how := <-c:
		c.restore(how)
		return how
	default:
		return ""
	}
}
