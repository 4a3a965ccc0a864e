package pool

import (
	"cmp"
	"fmt"
	"time"

	"relevo/internal/config"
	"relevo/internal/ipc"
	"relevo/pool/machine"
)

// reported handles a report of a worker's process.
func (p *Pool) reported(m *member, r Report) {
	if p.countedAgain(r) {
		return
	}
	if p.members[m.id] != m {
		return // it has exited
	}
	if m.abandoned {
		if _, gone := r.(Exited); gone {
			delete(p.members, m.id)
			p.drop(m.kept)
		}
		return
	}
	if !p.steppedBy(m, r) {
		p.noted(m, r)
	}
}

// countedAgain corrects the counters of rescued connections. Such a report may come after the
// worker's exit.
func (p *Pool) countedAgain(r Report) bool {
	switch r := r.(type) {
	case RelayCut:
		p.connections.Rescued -= r.Count
		p.connections.CutFor(CutForeign, r.Count)
	case NotHandedOver:
		p.connections.HandedOver -= r.Rescued + r.Cut
		p.connections.Rescued += r.Rescued
		p.connections.CutFor(CutForeign, r.Cut)
	default:
		return false
	}
	return true
}

// steppedBy passes on to the machine what may change the worker's state.
func (p *Pool) steppedBy(m *member, r Report) bool {
	switch r := r.(type) {
	case Ready:
		p.becameReady(m, r)
	case Said:
		p.said(m, r.Message)
	case Alive:
		p.pinged(m)
	case Unseen:
		p.step(machine.Unseen{Worker: m.id, Reason: r.Reason})
	case Hung:
		p.step(machine.Hung{Worker: m.id, Reason: r.Reason})
	case Unhealthy:
		p.step(machine.Unhealthy{Worker: m.id, Reason: r.Reason})
	case Exited:
		p.exited(m, r)
	default:
		return false
	}
	return true
}

// noted publishes or keeps what does not concern the machine.
func (p *Pool) noted(m *member, r Report) {
	switch r := r.(type) {
	case Online:
		p.publishFor(m, Event{Kind: KindOnline})
	case Captured:
		p.publishFor(m, Event{Kind: KindCaptured, Addresses: []string{r.Address}})
		p.unsaved = true // the master may have one more socket
	case Persist:
		p.unsaved = true
		p.awaitSave = append(p.awaitSave, r.Done)
	case Listening:
		p.publishFor(m, Event{Kind: KindListening, Addresses: r.Addresses})
	case FilesAdded:
		p.keepProcess(m)
	case Obstructed:
		m.obstacle = r.Hint
	case Flooding:
		p.publishFor(m, Event{Kind: KindFlood, Text: r.What})
	case Disconnected:
		m.load, m.loadMeasured = nil, false // it cannot report another one
		p.publishFor(m, Event{Kind: KindDisconnect, Reason: r.Reason})
	default:
		panic(fmt.Sprintf("internal error: pool: unknown report %T", r))
	}
}

func (p *Pool) becameReady(m *member, r Ready) {
	if m.state != machine.Starting {
		return
	}
	m.ready, m.readyBy, p.waking = time.Now(), readyBy(r.How), false
	took := m.ready.Sub(m.started).Milliseconds()
	if addresses := p.releases[m.generation].Addresses(); len(addresses) > 0 {
		p.publishFor(m, Event{Kind: KindListening, Addresses: addresses})
	}
	p.tally.ReadyTime.Add(m.ready.Sub(m.started))
	p.publishFor(m, Event{Kind: KindReady, How: r.How, DurationMS: &took})
	if p.opts.OnReady != nil {
		p.opts.OnReady()
	}
	p.step(machine.Ready{Worker: m.id})
}

// readyBy is Worker.ReadyBy for Ready.How.
func readyBy(how string) string {
	if how == "notify" || how == "ipc" || how == "listening" {
		return "said"
	}
	return how
}

// pinged notes a sign of life: WATCHDOG=1, or the answer to a ping.
func (p *Pool) pinged(m *member) {
	m.pinged = time.Now()
	p.step(machine.Alive{Worker: m.id})
}

func (p *Pool) said(m *member, message ipc.Message) {
	switch message := message.(type) {
	case ipc.Hello:
		p.changed = true // send it the state, which it could not receive before
		p.step(machine.Hello{Worker: m.id, Pong: message.Pong})
	case ipc.Pong:
		p.pinged(m)
	case ipc.Draining:
		m.open = message.Open
		p.step(machine.Leaving{Worker: m.id})
	case ipc.Drained:
		m.open = 0
		p.publishFor(m, Event{Kind: KindDrained})
		p.step(machine.Drained{Worker: m.id})
	case ipc.Status:
		m.text = message.Text
		p.publishFor(m, Event{Kind: KindStatus, Text: message.Text})
	case ipc.Load:
		p.loadSaid(m, message)
	case ipc.App:
		p.publishFor(m, Event{Kind: KindMessage, Data: message.Data})
	}
}

// loadSaid notes how busy a worker says that it is. A load that is not a number is reported once for each worker.
func (p *Pool) loadSaid(m *member, l ipc.Load) {
	if l.Wrong == "" {
		value := min(max(l.Value, 0), maxLoad)
		m.load, m.loadMeasured = &value, l.Measured
		p.loads.hear(m.load)
		return
	}
	if !m.wrongLoad {
		m.wrongLoad = true
		p.publishFor(m, Event{Kind: KindWrongLoad, Text: "it reported " + l.Wrong + `, which is no number: send ` +
			`{"relevo":"load","value":0.7}, where 0 is idle and 1 is all that it can do`})
	}
}

// maxLoad bounds what a worker may say of its load.
const maxLoad = 1e6

// exited removes the record of a worker. The machine gets the event first, so that the
// events that follow from it can still name the worker.
func (p *Pool) exited(m *member, r Exited) {
	m.exit = &r
	if r.Connections != nil {
		p.connections = p.connections.Plus(*r.Connections)
	}
	if r.Again && !m.asked && m.state == machine.Starting {
		p.startAgain(m, r)
		return
	}
	if m.state == machine.Starting && !m.canary { // after a canary the old generation starts
		p.waking = false
	}
	blame := m.blame(r)
	p.publishExit(m, r, blame)
	p.count(m, r)
	slot := p.slot(m.slot)
	slot.lastExit = &r.Status
	slot.failure = p.autopsyOf(m)
	p.step(machine.Exited{Worker: m.id, Reason: r.Status.String(), Blame: blame, Signalled: m.signalled})
	delete(p.members, m.id)
	p.drop(m.kept)
	p.changed = true
}

// startAgain says nothing to the machine, for which the worker is still starting.
func (p *Pool) startAgain(m *member, r Exited) {
	planned := true
	p.publishFor(m, Event{Kind: KindExit, Planned: &planned, Signal: config.SignalName(r.Status.Signal),
		Reason: "its master was killed"})
	p.drop(m.kept)
	p.changed = true
	p.spawn(machine.Spawn{Worker: m.id, Slot: m.slot, Generation: m.generation, Canary: m.canary,
		Cause: m.cause})
}

func (p *Pool) publishExit(m *member, r Exited, blame machine.Blame) {
	planned, status := m.asked || m.leftInOrder(r.Status), r.Status
	e := Event{Kind: KindExit, Planned: &planned, Text: status.Said, Connections: r.Connections}
	if blame == machine.BlameMaster && !planned {
		e.Blame, e.Hint = blame, r.Hint
	}
	switch {
	case status.Error != "":
		e.Reason = status.Error
	case status.Signal != 0:
		e.Signal = config.SignalName(status.Signal)
	default:
		e.Code = &status.Code
	}
	if status.OutOfMemory {
		e.Reason, e.Hint = status.String(), r.Hint
	}
	p.publishFor(m, e)
}

// autopsy is what the user needs to know about a worker that did not get ready.
type autopsy struct {
	worker int
	hint   string
	tail   []string
	exit   *ExitStatus
}

// autopsy returns that of a worker that still runs, or that was the last to die in its
// slot.
func (p *Pool) autopsy(worker int) *autopsy {
	if m := p.members[worker]; m != nil {
		return p.autopsyOf(m)
	}
	for _, slot := range p.slots {
		if slot.failure != nil && slot.failure.worker == worker {
			return slot.failure
		}
	}
	return nil
}

func (p *Pool) autopsyOf(m *member) *autopsy {
	a := &autopsy{worker: m.id}
	if m.process != nil {
		a.tail = m.process.Tail()
	}
	if m.exit != nil {
		a.hint, a.exit = m.exit.Hint, &m.exit.Status
	} else if m.state == machine.Starting || m.state == machine.Stopping {
		a.hint = cmp.Or(m.obstacle, neverReady)
	}
	return a
}

// neverReady names the ways to be ready, for a worker that found none of them.
const neverReady = "a worker is ready when it accepts on an inherited listener (LISTEN_FDS; {fd} in its arguments), " +
	"sends READY=1 to NOTIFY_SOCKET, or writes {\"relevo\":\"ready\"} to its channel; " +
	"--ready delay=2s takes one that does none of these, --ready-timeout gives a slow one more time"
