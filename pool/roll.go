package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"relevo/pool/machine"
)

// RollResult is how a roll ended.
type RollResult struct {
	Generation int            `json:"generation"` // the new generation
	From       int            `json:"from"`       // the old generation
	Result     machine.Result `json:"result"`
	Reason     string         `json:"reason,omitempty"`
	Blame      machine.Blame  `json:"blame,omitempty"` // master: the program that failed never ran
	Slot       *int           `json:"slot,omitempty"`  // where it failed
	Worker     string         `json:"worker,omitempty"`
	Exit       *ExitStatus    `json:"exit,omitempty"`
	Hint       string         `json:"hint,omitempty"`
	Tail       []string       `json:"tail,omitempty"`  // the last lines of the worker that failed
	Stuck      []int          `json:"stuck,omitempty"` // slots that could not be put back
	Replaced   int            `json:"replaced"`
	// Automatic: a crash storm undid the roll, not a request.
	Automatic   bool      `json:"automatic,omitempty"`
	Release     *Info     `json:"release,omitempty"`      // of Generation
	FromRelease *Info     `json:"from_release,omitempty"` // of From
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended"`
}

// Error says why the roll failed, nil for a roll that did not.
func (r RollResult) Error() error {
	if r.Result == machine.OK {
		return nil
	}
	var b strings.Builder
	what := "roll to"
	if r.Automatic {
		what = "keep"
	}
	fmt.Fprintf(&b, "cannot %s generation %d: ", what, r.Generation)
	if r.Slot != nil && r.Worker != "" {
		fmt.Fprintf(&b, "slot %d, worker %s: ", *r.Slot, r.Worker)
	}
	b.WriteString(r.Reason)
	if r.Hint != "" {
		b.WriteString("\n  " + r.Hint)
	}
	WriteTail(&b, r.Tail)
	if r.Blame == machine.BlameMaster {
		b.WriteString("\n  the release is not to blame: reload again when the cause is gone")
	}
	switch r.Result {
	case machine.RolledBack:
		fmt.Fprintf(&b, "\n  generation %d keeps serving", r.From)
	case machine.Failed:
		fmt.Fprintf(&b, "\n  slots %v could not be put back on generation %d", r.Stuck, r.From)
	}
	return errors.New(b.String())
}

// rollRequest is a roll that was requested and has not ended.
type rollRequest struct {
	result  RollResult
	waiters []chan RollResult // capacity 1 each; the loop sends once
}

// Roll is BeginRoll and the wait for the end.
func (p *Pool) Roll(ctx context.Context, release Release) (RollResult, error) {
	roll, err := p.BeginRoll(release)
	if err != nil {
		return RollResult{}, err
	}
	return roll.Wait(ctx)
}

// PendingRoll is a requested roll, to wait for.
type PendingRoll struct {
	pool       *Pool
	generation int
	asleep     bool            // the pool slept when it was requested
	result     chan RollResult // capacity 1; the loop sends once
}

// Generation is the new generation.
func (roll *PendingRoll) Generation() int { return roll.generation }

// BeginRoll asks to replace all workers by workers of the release, which the pool takes
// over and closes. Of the rolls that are requested while one is under way, only the
// newest is run; the others get its result. The error is ErrNotRunning.
func (p *Pool) BeginRoll(release Release) (*PendingRoll, error) {
	return p.BeginRollFor(machine.CauseRoll, release)
}

// BeginRollFor is BeginRoll for a cause, with which the starts of workers are reported and counted.
func (p *Pool) BeginRollFor(cause machine.Cause, release Release) (*PendingRoll, error) {
	roll := &PendingRoll{pool: p, result: make(chan RollResult, 1)}
	err := p.changing(func() {
		p.generation++
		roll.generation = p.generation
		p.releases[roll.generation] = release
		p.keepRelease(roll.generation)
		p.rolls[roll.generation] = &rollRequest{
			result:  RollResult{Generation: roll.generation, Release: p.info(roll.generation), Started: time.Now()},
			waiters: []chan RollResult{roll.result},
		}
		p.step(machine.Roll{Generation: roll.generation, Cause: cause})
		roll.asleep = !p.machine.View().Asleep.IsZero()
	})
	if err != nil {
		release.Close()
		return nil, err
	}
	return roll, nil
}

// ErrNoRoll is returned by Await.
var ErrNoRoll = errors.New("pool: no such roll")

// Await returns a roll that was requested from a previous master, under way or ended. If
// a newer roll took its place, it returns that one. The error is ErrNoRoll if the roll is
// unknown.
func (p *Pool) Await(generation int) (*PendingRoll, error) {
	roll := &PendingRoll{pool: p, generation: generation, result: make(chan RollResult, 1)}
	found := false
	err := p.unfrozen(func() {
		for _, g := range slices.Sorted(maps.Keys(p.rolls)) {
			if g >= generation {
				p.rolls[g].waiters = append(p.rolls[g].waiters, roll.result)
				found = true
				return
			}
		}
		if p.lastRoll != nil && p.lastRoll.Generation >= generation {
			roll.result <- *p.lastRoll
			found = true
		}
	})
	if err == nil && !found {
		err = ErrNoRoll
	}
	return roll, err
}

// Wait waits for the roll's end and returns its result. If ctx ends, Wait returns and the
// roll continues. An error means that waiting failed; a roll that failed is a RollResult.
func (roll *PendingRoll) Wait(ctx context.Context) (RollResult, error) {
	select {
	case r := <-roll.result:
		return r, nil
	case <-ctx.Done():
		return RollResult{}, ctx.Err()
	case <-roll.pool.done:
	}
	select {
	case r := <-roll.result: // it ended with the pool
		return r, nil
	default:
		if roll.pool.handedOver {
			return RollResult{}, ErrHandedOver
		}
		return RollResult{}, ErrNotRunning
	}
}
