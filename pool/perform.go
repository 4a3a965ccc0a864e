package pool

import (
	"fmt"
	"time"

	"relevo/internal/ipc"
	"relevo/pool/machine"
)

// step passes an event to the machine and performs the effects that it returns.
func (p *Pool) step(e machine.Event) {
	effects := p.machine.Step(time.Now(), e)
	for _, effect := range effects {
		p.perform(effect)
	}
	p.unsaved = p.unsaved || len(effects) > 0 || changesState(e)
}

// changesState says whether the state has to be saved for a later master although the
// event had no effects.
func changesState(e machine.Event) bool {
	switch e.(type) {
	case machine.Alive, machine.Tick:
		return false
	}
	return true
}

// settle runs once after a batch of effects.
func (p *Pool) settle() {
	p.announce()
	p.closeReleases()
	p.save()
	p.answer()
}

// answer tells callers that what they asked for is done, and saved.
func (p *Pool) answer() {
	for _, answer := range p.answers {
		answer()
	}
	p.answers = nil
}

func (p *Pool) perform(e machine.Effect) {
	if p.frozen.withholds(e) {
		return
	}
	switch e := e.(type) {
	case machine.Spawn:
		p.spawn(e)
	case machine.Admit:
		p.admit(p.members[e.Worker])
	case machine.Drain:
		p.drain(e)
	case machine.Terminate:
		p.want(e.Worker, Process.Terminate)
	case machine.Kill:
		p.want(e.Worker, Process.Kill)
	case machine.Moved:
		p.moved(e)
	case machine.Respawning:
		p.respawning(e)
	case machine.Booted:
		p.bootEnded(e)
	case machine.RollBegan, machine.OnProbation, machine.CanaryPassed, machine.RollStep, machine.RollReverting,
		machine.RollSuperseded, machine.RollEnded:
		p.rollMoved(e)
	case machine.Recycling:
		p.publishFor(p.members[e.Worker], Event{Kind: KindRecycle, Reason: e.Reason})
	case machine.Ping:
		p.ping(p.members[e.Worker])
	case machine.Hangs:
		p.hangs(p.members[e.Worker], e.Reason)
	case machine.Resized:
		p.publish(Event{Kind: KindResize, From: e.From, To: e.To, Reason: e.Reason})
	case machine.FellAsleep:
		p.waking = false
		p.publish(Event{Kind: KindSleep, From: e.Workers, Reason: e.Reason})
	case machine.Woke:
		p.waking = true
		p.publish(Event{Kind: KindWake, To: e.Workers, Reason: e.Reason})
	case machine.Abandoned:
		p.abandon(p.members[e.Worker])
	case machine.Ended:
		p.ended = true
		p.publish(Event{Kind: KindStopped})
	default:
		panic(fmt.Sprintf("internal error: pool: unknown effect %T", e))
	}
}

// spawn starts the worker outside of the loop, because starting a process takes
// milliseconds, and seconds on a slow disk.
func (p *Pool) spawn(e machine.Spawn) {
	m := &member{id: e.Worker, slot: e.Slot, generation: e.Generation, canary: e.Canary, cause: e.Cause,
		state: machine.Starting}
	p.members[m.id] = m
	release := p.releases[e.Generation]
	go func() {
		began := time.Now()
		// Reports wait until the loop has recorded the process.
		known := make(chan struct{})
		process, err := release.Start(m.order(), func(r Report) {
			<-known
			p.post(func() { p.reported(m, r) })
		})
		ours := p.post(func() { p.forked(m, process, began, err) })
		close(known)
		if !ours && err == nil {
			_ = process.Kill() // the pool has ended without it
		}
	}()
}

// sinkFor takes the reports of a process that the loop knows already.
func (p *Pool) sinkFor(m *member) func(Report) {
	return func(r Report) { p.post(func() { p.reported(m, r) }) }
}

func (p *Pool) forked(m *member, process Process, began time.Time, err error) {
	if err != nil {
		unstarted := asMasterError(err)
		p.reported(m, Exited{Status: ExitStatus{Error: err.Error()}, Hint: unstarted.Hint, Unstarted: unstarted})
		return
	}
	m.process, m.started = process, began
	p.keepProcess(m)
	p.tally.Started(m.cause)
	if !m.abandoned {
		p.changed = true
		p.publishFor(m, Event{Kind: KindFork, Cause: m.cause})
	}
	for _, action := range m.wanted {
		p.act(m, action)
	}
	m.wanted = nil
}

// abandon stops waiting for a worker. The pool keeps its record, and the release that it
// runs, until its process has ended.
func (p *Pool) abandon(m *member) {
	p.publishFor(m, Event{Kind: KindAbandoned})
	m.abandoned, p.changed = true, true
}

// want runs an action on a worker's process, as soon as there is one.
func (p *Pool) want(id int, action func(Process) error) {
	m := p.members[id]
	if m == nil {
		return
	}
	m.asked = true
	if m.process == nil {
		m.wanted = append(m.wanted, action)
		return
	}
	p.act(m, action)
}

// act ignores the only error that signals give in practice, that the process has ended:
// Exited reports that.
func (p *Pool) act(m *member, action func(Process) error) { _ = action(m.process) }

// drain sends the stop signal if the channel is closed.
func (p *Pool) drain(e machine.Drain) {
	p.want(e.Worker, func(process Process) error {
		left := time.Until(e.Deadline).Milliseconds()
		if err := process.Send(ipc.Drain{DeadlineMS: left}); err != nil {
			return process.Terminate()
		}
		return nil
	})
}

// ping ignores the error: a worker that cannot be asked has not answered either.
func (p *Pool) ping(m *member) {
	if m != nil && m.process != nil {
		_ = m.process.Send(ipc.Ping{})
	}
}

func (p *Pool) hangs(m *member, reason string) {
	if m != nil {
		m.hung = true
	}
	p.publishFor(m, Event{Kind: KindHung, Reason: reason})
}

func (p *Pool) moved(e machine.Moved) {
	m := p.members[e.Worker]
	if m == nil {
		return
	}
	m.state = e.To
	p.changed = true
	switch e.To {
	case machine.Draining:
		m.leaving = time.Now()
		draining := Event{Kind: KindDraining, Reason: e.Reason}
		if open := m.open; open > 0 {
			draining.Open = &open
		}
		p.publishFor(m, draining)
	case machine.Stopping:
		p.publishFor(m, Event{Kind: KindStopping, Reason: e.Reason})
	case machine.Killing:
		p.publishFor(m, Event{Kind: KindKilling, Reason: e.Reason})
	}
}

func (p *Pool) respawning(e machine.Respawning) {
	p.slot(e.Slot).respawns++
	after := e.After.Milliseconds()
	p.publish(Event{Kind: KindRespawn, Slot: &e.Slot, Reason: e.Reason, AfterMS: &after})
}

func (p *Pool) bootEnded(e machine.Booted) {
	if e.OK {
		generation := p.machine.View().Generation
		p.publish(Event{Kind: KindStarted, Generation: generation, Addresses: p.releases[generation].Addresses()})
		return
	}
	p.startError = &StartError{Reason: e.Reason, Blame: e.Blame}
	if r := p.autopsy(e.Worker); r != nil {
		p.startError.Hint, p.startError.Tail = r.hint, r.tail
	}
	p.publish(Event{Kind: KindStartFailed, Reason: e.Reason, Hint: p.startError.Hint, Tail: p.startError.Tail})
}

func (p *Pool) slot(i int) *slotRecord {
	if p.slots[i] == nil {
		p.slots[i] = &slotRecord{}
	}
	return p.slots[i]
}
