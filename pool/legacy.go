package pool

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"relevo/pool/machine"
	"relevo/pool/tally"
)

// Legacy is a pool as it passes from one master to the next: a document, and the
// files that go with it, by name.
type Legacy struct {
	Machine    machine.Legacy          `json:"machine"`
	Members    []MemberLegacy          `json:"members"`
	Slots      map[int]SlotLegacy      `json:"slots"`
	Waking     bool                    `json:"waking,omitempty"`
	Generation int                     `json:"generation"` // the highest given out
	Releases   map[int]json.RawMessage `json:"releases"`   // by generation
	Rolls      map[int]RollResult      `json:"rolls,omitempty"`
	LastRoll   *RollResult             `json:"last_roll,omitempty"`
	Withheld   []WithheldLegacy        `json:"withheld,omitempty"`
	// Connections are those of workers that were led out.
	Connections Connections `json:"connections,omitzero"`
	Tally       tally.Tally `json:"tally,omitzero"`
	Recent      []Entry     `json:"recent,omitempty"`
	StartError  *StartError `json:"start_error,omitempty"` // why the start of a pool that is stopping failed

	// Files are those of the workers and the releases, see WorkerFile and
	// ReleaseFile.
	Files map[string]*os.File `json:"-"`
}

// MemberLegacy is what the pool knows of a worker.
type MemberLegacy struct {
	ID         int             `json:"id"`
	Slot       int             `json:"slot"`
	Generation int             `json:"generation"`
	State      machine.State   `json:"state"`
	Started    time.Time       `json:"started"`
	Ready      time.Time       `json:"ready,omitzero"`
	Cause      machine.Cause   `json:"cause,omitempty"`
	Leaving    time.Time       `json:"leaving,omitzero"`
	ReadyBy    string          `json:"ready_by,omitempty"`
	Text       string          `json:"text,omitempty"`
	Load       *float64        `json:"load,omitempty"`
	Measured   bool            `json:"load_measured,omitempty"`
	Open       int             `json:"open,omitempty"`
	Pinged     time.Time       `json:"pinged,omitzero"`
	Canary     bool            `json:"canary,omitempty"`
	Asked      bool            `json:"asked,omitempty"`
	Hung       bool            `json:"hung,omitempty"`
	Signalled  bool            `json:"signalled,omitempty"`
	Abandoned  bool            `json:"abandoned,omitempty"`
	Process    json.RawMessage `json:"process,omitempty"`
}

// SlotLegacy is what is known of a slot beyond its present worker.
type SlotLegacy struct {
	Respawns int         `json:"respawns"`
	LastExit *ExitStatus `json:"last_exit,omitempty"`
}

// WithheldLegacy is an action that the next master has to perform on a worker.
type WithheldLegacy struct {
	Do       string    `json:"do"` // admit, drain, terminate or kill
	Worker   int       `json:"worker"`
	Deadline time.Time `json:"deadline,omitzero"` // of drain
}

// withheldLegacy leaves out spawns: a starting worker without a process in the legacy is
// spawned anyway.
func withheldLegacy(e machine.Effect) WithheldLegacy {
	switch e := e.(type) {
	case machine.Admit:
		return WithheldLegacy{Do: "admit", Worker: e.Worker}
	case machine.Drain:
		return WithheldLegacy{"drain", e.Worker, e.Deadline}
	case machine.Terminate:
		return WithheldLegacy{Do: "terminate", Worker: e.Worker}
	case machine.Kill:
		return WithheldLegacy{Do: "kill", Worker: e.Worker}
	}
	return WithheldLegacy{}
}

func (w WithheldLegacy) effect() machine.Effect {
	switch w.Do {
	case "admit":
		return machine.Admit{Worker: w.Worker}
	case "drain":
		return machine.Drain{Worker: w.Worker, Deadline: w.Deadline}
	case "terminate":
		return machine.Terminate{Worker: w.Worker}
	case "kill":
		return machine.Kill{Worker: w.Worker}
	}
	return nil
}

// WorkerFile is the name in Legacy.Files of a file of a worker.
func WorkerFile(id int, name string) string { return fmt.Sprintf("worker.%d.%s", id, name) }

// ReleaseFile is the name in Legacy.Files of a file of a generation's release.
func ReleaseFile(generation int, name string) string {
	return fmt.Sprintf("release.%d.%s", generation, name)
}

// OwnsFile says whether a name is one of WorkerFile or ReleaseFile.
func OwnsFile(name string) bool {
	return strings.HasPrefix(name, "worker.") || strings.HasPrefix(name, "release.")
}

// filesOf returns the files whose names begin with a prefix, without it.
func (l Legacy) filesOf(prefix string) map[string]*os.File {
	found := map[string]*os.File{}
	for name, file := range l.Files {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			found[name[len(prefix):]] = file
		}
	}
	return found
}

// Release is what the release of a generation left.
func (l Legacy) Release(generation int) ReleaseLegacy {
	return ReleaseLegacy{State: l.Releases[generation], Files: l.filesOf(ReleaseFile(generation, ""))}
}

// Process is what the process of a member left.
func (l Legacy) Process(m MemberLegacy) ProcessLegacy {
	return ProcessLegacy{
		State: m.Process, Files: l.filesOf(WorkerFile(m.ID, "")), Unready: m.State == machine.Starting,
	}
}

// legacy is the pool's state, with what each member's process leaves.
func (p *Pool) legacy(processes map[int]ProcessLegacy) Legacy {
	l := Legacy{
		Machine: p.machine.Legacy(), Members: []MemberLegacy{}, Slots: map[int]SlotLegacy{}, Generation: p.generation,
		Releases: map[int]json.RawMessage{}, Rolls: map[int]RollResult{}, LastRoll: p.lastRoll, Connections: p.connections,
		Tally: p.tally.Clone(), Recent: slices.Clone(p.recent.entries), StartError: p.startError,
		Waking: p.waking,
		Files:  map[string]*os.File{},
	}
	for _, id := range slices.Sorted(maps.Keys(p.members)) {
		m, process := p.members[id], processes[id]
		l.Members = append(l.Members, m.legacy(process.State))
		for name, file := range process.Files {
			l.Files[WorkerFile(id, name)] = file
		}
	}
	for i, s := range p.slots {
		l.Slots[i] = SlotLegacy{s.respawns, s.lastExit}
	}
	for generation, r := range p.rolls {
		l.Rolls[generation] = r.result
	}
	for generation, r := range p.releases {
		left := r.Legacy()
		l.Releases[generation] = left.State
		for name, file := range left.Files {
			l.Files[ReleaseFile(generation, name)] = file
		}
	}
	return l
}

func (m *member) legacy(process json.RawMessage) MemberLegacy {
	return MemberLegacy{
		ID: m.id, Slot: m.slot, Generation: m.generation, State: m.state, Started: m.started, Ready: m.ready,
		Cause: m.cause, Leaving: m.leaving, ReadyBy: m.readyBy, Text: m.text, Load: m.load, Measured: m.loadMeasured,
		Open: m.open, Pinged: m.pinged,
		Canary: m.canary, Asked: m.asked, Hung: m.hung, Signalled: m.signalled, Abandoned: m.abandoned, Process: process,
	}
}

func (m MemberLegacy) member() *member {
	return &member{
		id: m.ID, slot: m.Slot, generation: m.Generation, state: m.State, started: m.Started, ready: m.Ready,
		cause: m.Cause, leaving: m.Leaving, readyBy: m.ReadyBy, text: m.Text, load: m.Load, loadMeasured: m.Measured,
		open: m.Open, pinged: m.Pinged,
		canary: m.Canary, asked: m.Asked, hung: m.Hung, signalled: m.Signalled, abandoned: m.Abandoned,
	}
}

// TakeOver returns a pool that continues where the previous master's pool stopped.
// Releases are those of the legacy, by generation; the pool closes them. Workers and
// Release of the options are ignored.
func TakeOver(o Options, l Legacy, releases map[int]Release) (*Pool, error) {
	p := New(o)
	var err error
	if p.machine, err = machine.TakeOver(l.Machine); err != nil {
		return nil, fmt.Errorf("cannot take over the pool: %w", err)
	}
	for generation := range p.machine.Generations() {
		if releases[generation] == nil {
			return nil, fmt.Errorf("cannot take over the pool: the release of generation %d is missing", generation)
		}
	}
	p.generation, p.lastRoll, p.startError, p.connections = l.Generation, l.LastRoll, l.StartError, l.Connections
	p.waking = l.Waking
	p.tally, p.recent.entries = l.Tally.Clone(), l.Recent
	maps.Copy(p.releases, releases)
	for generation, result := range l.Rolls {
		p.rolls[generation] = &rollRequest{result: result}
	}
	for i, s := range l.Slots {
		p.slots[i] = &slotRecord{respawns: s.Respawns, lastExit: s.LastExit}
	}
	p.received = &l
	return p, nil
}

// takeOver adopts the workers. A worker whose process is lost counts as exited; a worker
// that was not started yet is started.
func (p *Pool) takeOver() {
	l := *p.received
	p.received = nil
	for generation := range p.releases {
		p.keepRelease(generation)
	}
	for _, known := range l.Members {
		m := known.member()
		p.members[m.id] = m
		if release := p.releases[m.generation]; release != nil && len(known.Process) > 0 {
			p.adopt(m, release, l.Process(known))
		}
	}
	p.changed = true
	adopted := 0
	for _, w := range p.machine.Legacy().Workers {
		m := p.members[w.ID]
		switch {
		case m != nil && m.process != nil:
			adopted++
		case w.State == machine.Starting:
			p.spawn(machine.Spawn{Worker: w.ID, Slot: w.Slot, Generation: w.Generation, Canary: w.Trial,
				Cause: p.causeOf(m)})
		default:
			p.lost(w)
		}
	}
	for id, m := range p.members {
		if m.process == nil && m.abandoned {
			delete(p.members, id) // no report of it can arrive any more
		}
	}
	for _, w := range l.Withheld {
		if e := w.effect(); e != nil {
			p.perform(e)
		}
	}
	p.tellSuccession(adopted)
	p.step(machine.Tick{}) // what became due meanwhile
}

// adopt leaves the member without a process if the process is lost.
func (p *Pool) adopt(m *member, release Release, l ProcessLegacy) {
	process, err := release.Adopt(m.order(), l, p.sinkFor(m))
	if err != nil {
		p.publishFor(m, Event{Kind: KindExit, Reason: err.Error()})
		return
	}
	m.process = process
	p.keepProcess(m)
	p.tally.Adopted++
	p.publishFor(m, Event{Kind: KindAdopted})
}

func (p *Pool) lost(w machine.LegacyWorker) {
	m := p.members[w.ID]
	if m == nil {
		m = &member{id: w.ID, slot: w.Slot, generation: w.Generation, state: w.State}
		p.members[w.ID] = m
	}
	p.exited(m, Exited{Status: ExitStatus{Error: "lost with the previous master"}})
}

// tellSuccession publishes the succession, and what happens to a roll that was under way.
func (p *Pool) tellSuccession(adopted int) {
	view := p.machine.View()
	e := Event{Kind: KindSuccession, Count: adopted, Generation: view.Generation}
	switch {
	case view.Rolling != 0 && p.rolls[view.Rolling] != nil:
		e.Text = fmt.Sprintf("continues the roll to generation %d, %d of %d slots done", view.Rolling,
			p.rolls[view.Rolling].result.Replaced, view.Slots)
	case view.Pending != 0 && !view.Asleep.IsZero():
		e.Text = fmt.Sprintf("leaves the app asleep, and tries generation %d when a client comes", view.Pending)
	case view.Pending != 0:
		e.Text = fmt.Sprintf("begins the roll to generation %d that was asked for", view.Pending)
	}
	p.publish(e)
}
