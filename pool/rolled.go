package pool

import (
	"strconv"
	"time"

	"relevo/pool/machine"
)

// rollMoved handles the effects that report on a roll.
func (p *Pool) rollMoved(e machine.Effect) {
	switch e := e.(type) {
	case machine.RollBegan:
		p.rollBegan(e)
	case machine.OnProbation:
		p.onProbation(e)
	case machine.CanaryPassed:
		p.onRoll(StepCanary, p.rolls[e.Generation].result)
		p.publish(Event{Kind: KindRoll, Step: StepCanary, Generation: e.Generation, Slot: &e.Slot,
			ID: strconv.Itoa(e.Worker)})
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

// onRoll calls OnRoll, except for a roll that never began: it has no old generation.
func (p *Pool) onRoll(step Step, r RollResult) {
	if p.opts.OnRoll != nil && r.From != 0 {
		p.opts.OnRoll(step, r, p.releases[r.Generation], p.releases[r.From])
	}
}

func (p *Pool) rollBegan(e machine.RollBegan) {
	r := &p.rolls[e.Generation].result
	r.From, r.FromRelease, r.Started = e.From, p.info(e.From), time.Now()
	p.onRoll(StepBegan, *r)
	p.publish(Event{
		Kind: KindRoll, Step: StepBegan, Generation: e.Generation, From: e.From,
		Release: r.Release, FromRelease: r.FromRelease,
	})
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

// rollReverting saves the autopsy of the failed worker before its record is removed. If
// no roll is in progress, a crash storm undoes the last one.
func (p *Pool) rollReverting(e machine.RollReverting) {
	if p.rolls[e.Generation] == nil {
		p.rolls[e.Generation] = &rollRequest{result: RollResult{
			Generation: e.Generation, From: e.To, Automatic: true, Started: time.Now(),
			Release: p.info(e.Generation), FromRelease: p.info(e.To),
		}}
	}
	r := &p.rolls[e.Generation].result
	r.Reason, r.Blame = e.Reason, e.Blame
	if e.Worker != 0 { // else it was aborted
		r.Slot, r.Worker = &e.Slot, strconv.Itoa(e.Worker)
	}
	if a := p.autopsy(e.Worker); a != nil {
		r.Exit, r.Hint, r.Tail = a.exit, a.hint, a.tail
	}
	p.onRoll(StepReverting, *r)
	p.publish(Event{
		Kind: KindRoll, Step: StepReverting, Generation: e.Generation, To: e.To,
		Slot: r.Slot, ID: r.Worker, Reason: e.Reason, Hint: r.Hint, Tail: r.Tail,
		Release: r.Release, FromRelease: r.FromRelease,
	})
}

// rollSuperseded makes the callers of a roll wait for the newer one instead.
func (p *Pool) rollSuperseded(e machine.RollSuperseded) {
	newer := p.rolls[e.By]
	older := p.rolls[e.Generation]
	newer.waiters = append(newer.waiters, older.waiters...)
	delete(p.rolls, e.Generation)
	p.tally.Supersede()
	p.onRoll(StepSuperseded, older.result)
	p.publish(Event{Kind: KindRoll, Step: StepSuperseded, Generation: e.Generation, To: e.By})
}

func (p *Pool) rollEnded(e machine.RollEnded) {
	request := p.rolls[e.Generation]
	delete(p.rolls, e.Generation)
	r := request.result
	r.Result, r.Stuck, r.Ended, r.Blame = e.Result, e.Stuck, time.Now(), e.Blame
	if e.Reason != "" {
		r.Reason = e.Reason
	}
	p.lastRoll = &r
	p.tally.Rolled(r.Result, r.Started, r.Ended)
	p.onRoll(StepEnded, r)
	took := r.Ended.Sub(r.Started).Milliseconds()
	p.publish(Event{
		Kind: KindRoll, Step: StepEnded, Generation: r.Generation, From: r.From, Result: string(r.Result),
		Slot: r.Slot, ID: r.Worker, Reason: r.Reason, Blame: r.Blame, Done: r.Replaced, DurationMS: &took,
		Release: r.Release, FromRelease: r.FromRelease,
	})
	for _, w := range request.waiters {
		w <- r
	}
}

// closeReleases closes the releases of generations that no worker runs or will run.
func (p *Pool) closeReleases() {
	used := p.machine.Generations()
	for _, m := range p.members {
		used[m.generation] = true
	}
	for generation, release := range p.releases {
		if !used[generation] {
			p.drop(p.kept[generation])
			p.closing.Go(func() { release.Close() }) // a file on a share may take long
			delete(p.releases, generation)
			delete(p.kept, generation)
		}
	}
}

// info describes a generation's release, nil if it is closed.
func (p *Pool) info(generation int) *Info {
	release := p.releases[generation]
	if release == nil {
		return nil
	}
	info := release.Info()
	return &info
}
