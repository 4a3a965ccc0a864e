package pool

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"relevo/pool/machine"
)

// RollResult is how a roll ended.
type RollResult struct {
	Generation int            `json:"generation"` // the one rolled in
	From       int            `json:"from"`       // the one that served before
	Result     machine.Result `json:"result"`
	Reason     string         `json:"reason,omitempty"`
	Slot       *int           `json:"slot,omitempty"` // where it failed
	Worker     string         `json:"worker,omitempty"`
	Exit       *ExitStatus    `json:"exit,omitempty"`
	Hint       string         `json:"hint,omitempty"`
	Tail       []string       `json:"tail,omitempty"`  // the last lines of the worker that failed
	Stuck      []int          `json:"stuck,omitempty"` // slots that could not be put back
	Replaced   int            `json:"replaced"`
	Started    time.Time      `json:"started"`
	Ended      time.Time      `json:"ended"`
}

// Error says why the roll failed, nil for a roll that did not.
func (r RollResult) Error() error {
	if r.Result == machine.OK {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cannot roll to generation %d: ", r.Generation)
	if r.Slot != nil && r.Worker != "" {
		fmt.Fprintf(&b, "slot %d, worker %s: ", *r.Slot, r.Worker)
	}
	b.WriteString(r.Reason)
	if r.Hint != "" {
		b.WriteString("\n  " + r.Hint)
	}
	WriteTail(&b, r.Tail)
	switch r.Result {
	case machine.RolledBack:
		fmt.Fprintf(&b, "\n  generation %d serves on", r.From)
	case machine.Failed:
		fmt.Fprintf(&b, "\n  slots %v could not be put back on generation %d", r.Stuck, r.From)
	}
	return errors.New(b.String())
}

// rollRequest is a roll that was asked for and has not ended.
type rollRequest struct {
	result  RollResult
	waiters []chan RollResult // capacity 1 each; the loop sends once
}

// Roll is BeginRoll and the wait for the end.
func (p *Pool) Roll(ctx context.Context, release Release) (RollResult, error) {
	wait, err := p.BeginRoll(release)
	if err != nil {
		return RollResult{}, err
	}
	return wait(ctx)
}

// BeginRoll asks for the replacement of all workers by workers of the release,
// which the pool takes over and closes. Of rolls asked for while one is under way
// only the newest is run; the others get its result. When the context of the wait
// ends, the wait ends; the roll goes on. Errors mean that the roll could not be
// asked for, or not be waited for: a roll that failed is a RollResult.
func (p *Pool) BeginRoll(release Release) (wait func(context.Context) (RollResult, error), err error) {
	result := make(chan RollResult, 1)
	err = p.changing(func() {
		p.generation++
		generation := p.generation
		p.releases[generation] = release
		p.rolls[generation] = &rollRequest{
			result:  RollResult{Generation: generation, Started: time.Now()},
			waiters: []chan RollResult{result},
		}
		p.step(machine.Roll{Generation: generation})
	})
	if err != nil {
		release.Close()
		return nil, err
	}
	return func(ctx context.Context) (RollResult, error) { return p.awaitRoll(ctx, result) }, nil
}

func (p *Pool) awaitRoll(ctx context.Context, result <-chan RollResult) (RollResult, error) {
	select {
	case r := <-result:
		return r, nil
	case <-ctx.Done():
		return RollResult{}, ctx.Err()
	case <-p.done:
	}
	select {
	case r := <-result: // it ended with the pool
		return r, nil
	default:
		return RollResult{}, ErrNotRunning
	}
}

// rollMoved takes in an effect that tells of a roll.
func (p *Pool) rollMoved(e machine.Effect) {
	switch e := e.(type) {
	case machine.RollBegan:
		p.rolls[e.Generation].result.From = e.From
		p.rolls[e.Generation].result.Started = time.Now()
		p.publish(Event{Kind: KindRoll, Step: StepBegan, Generation: e.Generation, From: e.From})
	case machine.CanaryPassed:
		p.publish(Event{Kind: KindRoll, Step: StepCanary, Generation: e.Generation, Slot: &e.Slot, ID: strconv.Itoa(e.Worker)})
	case machine.RollStep:
		p.rollStep(e)
	case machine.RollReverting:
		p.rollReverting(e)
	case machine.RollSuperseded:
		p.rollSuperseded(e)
	case machine.RollEnded:
		p.rollEnded(e)
	}
}

func (p *Pool) rollStep(e machine.RollStep) {
	event := Event{
		Kind: KindRoll, Step: StepReplaced, Generation: e.Generation,
		Slot: &e.Slot, ID: strconv.Itoa(e.Worker), Done: e.Done, Of: e.Of,
	}
	if e.Reverting {
		event.Step = StepReverted
	} else {
		p.rolls[e.Generation].result.Replaced = e.Done
	}
	p.publish(event)
}

// rollReverting keeps what is known of the worker that failed while it is known.
func (p *Pool) rollReverting(e machine.RollReverting) {
	r := &p.rolls[e.Generation].result
	r.Slot, r.Worker, r.Reason = &e.Slot, strconv.Itoa(e.Worker), e.Reason
	if a := p.autopsy(e.Worker); a != nil {
		r.Exit, r.Hint, r.Tail = a.exit, a.hint, a.tail
	}
	p.publish(Event{
		Kind: KindRoll, Step: StepReverting, Generation: e.Generation, To: e.To,
		Slot: &e.Slot, ID: r.Worker, Reason: e.Reason, Hint: r.Hint, Tail: r.Tail,
	})
}

// rollSuperseded lets the callers of a roll wait for the newer one.
func (p *Pool) rollSuperseded(e machine.RollSuperseded) {
	newer := p.rolls[e.By]
	newer.waiters = append(newer.waiters, p.rolls[e.Generation].waiters...)
	delete(p.rolls, e.Generation)
	p.publish(Event{Kind: KindRoll, Step: StepSuperseded, Generation: e.Generation, To: e.By})
}

func (p *Pool) rollEnded(e machine.RollEnded) {
	request := p.rolls[e.Generation]
	delete(p.rolls, e.Generation)
	r := request.result
	r.Result, r.Stuck, r.Ended = e.Result, e.Stuck, time.Now()
	if e.Reason != "" {
		r.Reason = e.Reason
	}
	p.lastRoll = &r
	took := r.Ended.Sub(r.Started).Milliseconds()
	p.publish(Event{
		Kind: KindRoll, Step: StepEnded, Generation: r.Generation, From: r.From, Result: string(r.Result),
		Slot: r.Slot, ID: r.Worker, Reason: r.Reason, Done: r.Replaced, DurationMS: &took,
	})
	for _, w := range request.waiters {
		w <- r
	}
}

// closeReleases lets go of the generations that nobody runs or will run.
func (p *Pool) closeReleases() {
	view := p.machine.View()
	used := map[int]bool{view.Generation: true, view.Rolling: true, view.Pending: true}
	for _, row := range view.Rows {
		used[row.Generation] = true
	}
	for _, m := range p.members {
		used[m.generation] = true
	}
	for generation, release := range p.releases {
		if !used[generation] {
			release.Close()
			delete(p.releases, generation)
		}
	}
}
