package machine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Legacy is a machine's whole state, to be passed from one master to the next: a machine
// made of it continues where the other one stopped. Its fields are those of the machine;
// ids stand for workers.
type Legacy struct {
	Options      Options            `json:"options"`
	Phase        Phase              `json:"phase"`
	Slots        []LegacySlot       `json:"slots"`
	Workers      []LegacyWorker     `json:"workers"`
	LastID       int                `json:"last_id"`
	Generation   int                `json:"generation"`
	Roll         *LegacyRoll        `json:"roll,omitempty"`
	Pending      int                `json:"pending,omitempty"`
	PendingCause Cause              `json:"pending_cause,omitempty"`
	Failed       LegacyFailure      `json:"failed,omitzero"`
	Window       *LegacyCrashWindow `json:"young,omitempty"`
	RecycleQueue []LegacyRecycling  `json:"worn,omitempty"`
	Recycling    *LegacyRecycling   `json:"recycling,omitempty"`
	Asleep       time.Time          `json:"asleep,omitzero"`
	FallBack     time.Time          `json:"fall_back,omitzero"`
	StartTook    time.Duration      `json:"start_took,omitempty"`
	Now          time.Time          `json:"now"`
}

// LegacyWorker is a worker that may still run.
type LegacyWorker struct {
	ID         int           `json:"id"`
	Slot       int           `json:"slot"`
	Generation int           `json:"generation"`
	State      State         `json:"state"`
	Hello      bool          `json:"hello,omitempty"`
	Asked      bool          `json:"asked,omitempty"`
	Trial      bool          `json:"trial,omitempty"`
	Began      time.Time     `json:"began,omitzero"`
	Due        time.Time     `json:"due,omitzero"`
	Served     time.Time     `json:"served,omitzero"`
	Pong       bool          `json:"pong,omitempty"`
	Spoke      bool          `json:"spoke,omitempty"`
	Hung       bool          `json:"hung,omitempty"`
	Unseen     string        `json:"unseen,omitempty"`
	Told       time.Duration `json:"told,omitempty"`
	Alive      time.Time     `json:"alive,omitzero"`
	Pinged     time.Time     `json:"pinged,omitzero"`
}

// LegacySlot is a slot; Serving and Starting are ids of workers, 0 for none.
type LegacySlot struct {
	Generation int       `json:"generation"`
	Spare      int       `json:"spare,omitempty"`
	Serving    int       `json:"serving,omitempty"`
	Starting   int       `json:"starting,omitempty"`
	Retry      time.Time `json:"retry,omitzero"`
	Again      time.Time `json:"again,omitzero"`
	Deaths     float64   `json:"deaths,omitempty"`
	Tried      bool      `json:"tried,omitempty"`
	Untold     string    `json:"untold,omitempty"`
	Cause      Cause     `json:"cause,omitempty"`
}

// LegacyRoll is the roll in progress. Queue and Held are indexes of slots.
type LegacyRoll struct {
	Generation int                `json:"generation"`
	Cause      Cause              `json:"cause,omitempty"`
	From       int                `json:"from"`
	Queue      []int              `json:"queue,omitempty"`
	Held       []int              `json:"held,omitempty"`
	Canary     int                `json:"canary,omitempty"`
	Probation  time.Time          `json:"probation,omitzero"`
	Passed     bool               `json:"passed,omitempty"`
	Reverting  bool               `json:"reverting,omitempty"`
	Done       int                `json:"done"`
	Of         int                `json:"of"`
	Failure    RollEnded          `json:"failure,omitzero"`
	Sound      bool               `json:"sound,omitempty"`
	Window     *LegacyCrashWindow `json:"young,omitempty"`
	Yielded    bool               `json:"yielded,omitempty"`
}

// LegacyCrashWindow is the time in which a crash storm undoes the last roll.
type LegacyCrashWindow struct {
	Fallback int       `json:"fallback"`
	Until    time.Time `json:"until,omitzero"`
	Faults   int       `json:"faults,omitempty"`
	First    time.Time `json:"first,omitzero"`
	Storm    RollEnded `json:"storm,omitzero"`
}

// LegacyFailure is the last failure of a worker to start.
type LegacyFailure struct {
	Worker int    `json:"worker"`
	Reason string `json:"reason"`
	Blame  Blame  `json:"blame,omitempty"`
}

// LegacyRecycling is a worker that is to be recycled.
type LegacyRecycling struct {
	Worker int    `json:"worker"`
	Cause  Cause  `json:"cause,omitempty"`
	Reason string `json:"reason"`
}

// IsZero is for omitzero.
func (f RollEnded) IsZero() bool {
	return f.Generation == 0 && f.Result == "" && f.Worker == 0 && f.Slot == 0 && f.Reason == "" && len(f.Stuck) == 0
}

// Legacy returns the state. It is valid until the next Step.
func (m *Machine) Legacy() Legacy {
	l := Legacy{
		Options: m.opts, Phase: m.phase, LastID: m.lastID, Generation: m.generation, Pending: m.pending,
		PendingCause: m.pendingCause,
		Failed:       LegacyFailure{m.failed.worker, m.failed.reason, m.failed.blame}, Window: m.window.legacy(),
		Roll: m.roll.legacy(), Asleep: m.asleep, FallBack: m.fallBack, StartTook: m.startTook, Now: m.now,
	}
	for _, s := range m.slots {
		l.Slots = append(l.Slots, s.legacy())
	}
	for _, id := range m.ids() {
		l.Workers = append(l.Workers, m.workers[id].legacy())
	}
	for _, r := range m.recycleQueue {
		l.RecycleQueue = append(l.RecycleQueue, LegacyRecycling{r.worker.id, r.cause, r.reason})
	}
	if r := m.recycling; r != nil {
		l.Recycling = &LegacyRecycling{r.worker.id, r.cause, r.reason}
	}
	return l
}

func (w *worker) legacy() LegacyWorker {
	return LegacyWorker{
		ID: w.id, Slot: w.slot, Generation: w.generation, State: w.state, Hello: w.hello, Asked: w.asked, Trial: w.trial,
		Began: w.began, Due: w.due, Served: w.served,
		Pong: w.pong, Spoke: w.spoke, Hung: w.hung, Unseen: w.unseen, Told: w.told, Alive: w.alive, Pinged: w.pinged,
	}
}

func (s *slot) legacy() LegacySlot {
	return LegacySlot{
		Generation: s.generation, Spare: s.spare, Serving: idOf(s.serving), Starting: idOf(s.starting),
		Retry: s.retry, Again: s.again, Deaths: s.deaths, Tried: s.tried, Untold: s.untold, Cause: s.cause,
	}
}

func idOf(w *worker) int {
	if w == nil {
		return 0
	}
	return w.id
}

func (r *roll) legacy() *LegacyRoll {
	if r == nil {
		return nil
	}
	return &LegacyRoll{
		Generation: r.generation, Cause: r.cause, From: r.from, Queue: indexes(r.queue), Held: indexes(r.held),
		Canary:    r.canary,
		Probation: r.probation,
		Passed:    r.passed, Reverting: r.reverting, Done: r.done, Of: r.of, Failure: r.failure, Sound: r.sound,
		Window: r.window.legacy(), Yielded: r.yielded,
	}
}

func indexes(slots []*slot) (all []int) {
	for _, s := range slots {
		all = append(all, s.index)
	}
	return all
}

func (c *crashWindow) legacy() *LegacyCrashWindow {
	if c == nil {
		return nil
	}
	return &LegacyCrashWindow{Fallback: c.fallback, Until: c.until, Faults: c.faults, First: c.first, Storm: c.storm}
}

// ErrTorn is returned by TakeOver for a state that contradicts itself.
var ErrTorn = errors.New("machine: the state contradicts itself")

// TakeOver returns a machine that continues where another one stopped.
func TakeOver(l Legacy) (*Machine, error) {
	m := &Machine{
		opts: l.Options, phase: l.Phase, workers: map[int]*worker{}, lastID: l.LastID, generation: l.Generation,
		pending: l.Pending, pendingCause: cmp.Or(l.PendingCause, CauseRoll), // older masters knew no other
		failed: failure{l.Failed.Worker, l.Failed.Reason, l.Failed.Blame}, window: l.Window.window(), asleep: l.Asleep,
		fallBack: l.FallBack, startTook: l.StartTook, now: l.Now,
	}
	for _, w := range l.Workers {
		m.workers[w.ID] = w.worker()
	}
	h := restorer{m: m, unknown: map[string]bool{}}
	for i, s := range l.Slots {
		m.slots = append(m.slots, h.slot(i, s))
	}
	m.roll = h.roll(l.Roll)
	for _, r := range l.RecycleQueue {
		m.recycleQueue = append(m.recycleQueue, recycling{h.worker(r.Worker), r.Cause, r.Reason})
	}
	if r := l.Recycling; r != nil {
		m.recycling = &recycling{h.worker(r.Worker), r.Cause, r.Reason}
	}
	switch m.phase {
	case Idle, Booting, Running, Halting, Stopped:
	default:
		h.unknown[fmt.Sprintf("phase %q", m.phase)] = true
	}
	if len(h.unknown) > 0 {
		return nil, fmt.Errorf("%w: unknown %v", ErrTorn, slices.Sorted(maps.Keys(h.unknown)))
	}
	return m, nil
}

// restorer resolves ids and indexes, and notes the unknown ones.
type restorer struct {
	m       *Machine
	unknown map[string]bool
}

// worker returns the worker. A recycling may be left of a worker that has ended; for that
// it returns a worker that is in no slot.
func (h restorer) worker(id int) *worker {
	if w := h.m.workers[id]; w != nil {
		return w
	}
	return &worker{id: id}
}

func (h restorer) occupant(id int) *worker {
	w := h.m.workers[id]
	if w == nil && id != 0 {
		h.unknown[fmt.Sprintf("worker %d", id)] = true
	}
	return w
}

func (h restorer) slot(index int, s LegacySlot) *slot {
	if s.Cause == "" { // of a master that did not know it
		s.Cause = CauseRespawn
	}
	return &slot{
		index: index, generation: s.Generation, spare: s.Spare, serving: h.occupant(s.Serving),
		starting: h.occupant(s.Starting),
		retry:    s.Retry, again: s.Again, deaths: s.Deaths, tried: s.Tried, untold: s.Untold,
		cause: s.Cause,
	}
}

func (h restorer) slots(indexes []int) (all []*slot) {
	for _, i := range indexes {
		if i < 0 || i >= len(h.m.slots) {
			h.unknown[fmt.Sprintf("slot %d", i)] = true
			continue
		}
		all = append(all, h.m.slots[i])
	}
	return all
}

func (h restorer) roll(r *LegacyRoll) *roll {
	if r == nil {
		return nil
	}
	return &roll{
		generation: r.Generation, cause: cmp.Or(r.Cause, CauseRoll), from: r.From,
		queue: h.slots(r.Queue), held: h.slots(r.Held), canary: r.Canary,
		probation: r.Probation,
		passed:    r.Passed, reverting: r.Reverting, done: r.Done, of: r.Of, failure: r.Failure, sound: r.Sound,
		window: r.Window.window(), yielded: r.Yielded,
	}
}

func (w LegacyWorker) worker() *worker {
	return &worker{
		id: w.ID, slot: w.Slot, generation: w.Generation, state: w.State, hello: w.Hello, asked: w.Asked, trial: w.Trial,
		began: w.Began, due: w.Due, served: w.Served,
		pong: w.Pong, spoke: w.Spoke, hung: w.Hung, unseen: w.Unseen, told: w.Told, alive: w.Alive, pinged: w.Pinged,
	}
}

func (c *LegacyCrashWindow) window() *crashWindow {
	if c == nil {
		return nil
	}
	return &crashWindow{fallback: c.Fallback, until: c.Until, faults: c.Faults, first: c.First, storm: c.Storm}
}
