package machine

import (
	"maps"
	"slices"
	"time"
)

// View is a copy of what can be seen of a machine.
type View struct {
	Phase      Phase
	Generation int   // the generation that serves; while rolling, the old one
	Rolling    int   // the generation being rolled in, 0 if none
	Pending    int   // the generation of the roll that waits its turn, 0 if none
	Fallback   int   // the generation that a crash storm would go back to, 0 if none
	Spares     []int // what slots that are stuck on a failed generation run if the pool's does not start
	Slots      int
	Asleep     time.Time  // since when there are no slots; zero: the pool does not sleep
	Probation  *Probation // nil: no canary is on one
	Passed     bool       // the canary of the roll in progress passed
	Reverting  bool       // the roll in progress goes back
	Rows       []Row
}

// Probation describes the canary that is ready, and how long it has to live.
type Probation struct {
	Slot, Worker int
	Until        time.Time
}

// Row is a worker, or a slot that has none in it.
type Row struct {
	Slot       int
	Worker     int // 0: the slot is empty or in backoff
	Generation int
	State      State
	Retry      time.Time // Backoff: when the next spawn is due
	Due        time.Time // Draining, Stopping: when the patience with it ends; zero: never
}

// Generations returns those that run or may still run. It is asked after every event: it sorts
// and copies nothing, as View does.
func (m *Machine) Generations() map[int]bool {
	all := map[int]bool{m.generation: true, m.rollGeneration(): true, m.pending: true}
	if m.window != nil {
		all[m.window.fallback] = true
	}
	for _, w := range m.workers {
		all[w.generation] = true
	}
	for _, s := range m.slots {
		all[s.spare] = true
		if s.serving == nil && s.starting == nil {
			all[s.generation] = true
		}
	}
	delete(all, 0)
	return all
}

// View returns the pool's rows by slot, then by age.
func (m *Machine) View() View {
	v := View{Phase: m.phase, Generation: m.generation, Rolling: m.rollGeneration(), Pending: m.pending,
		Slots: len(m.slots), Asleep: m.asleep}
	if r := m.roll; r != nil {
		v.Passed, v.Reverting = r.passed, r.reverting
	}
	if r := m.roll; r != nil && !r.probation.IsZero() && m.workers[r.canary] != nil {
		v.Probation = &Probation{Slot: m.workers[r.canary].slot, Worker: r.canary, Until: r.probation}
	}
	if m.window != nil {
		v.Fallback = m.window.fallback
	}
	v.Rows = slices.Grow(v.Rows, max(len(m.workers), len(m.slots)))
	for _, w := range slices.SortedFunc(maps.Values(m.workers), bySlotThenAge) {
		row := Row{Slot: w.slot, Worker: w.id, Generation: w.generation, State: w.state}
		if w.state == Draining || w.state == Stopping {
			row.Due = w.due
		}
		v.Rows = append(v.Rows, row)
	}
	for _, s := range m.slots {
		if s.spare != 0 {
			v.Spares = append(v.Spares, s.spare)
		}
		if s.serving != nil || s.starting != nil {
			continue
		}
		row := Row{Slot: s.index, Generation: s.generation, State: Empty}
		if m.vacant(s) && s.retry.After(m.now) {
			row.State, row.Retry = Backoff, s.retry
		}
		v.Rows = append(v.Rows, row)
	}
	slices.SortStableFunc(v.Rows, func(a, b Row) int { return a.Slot - b.Slot })
	return v
}

func bySlotThenAge(a, b *worker) int {
	if a.slot != b.slot {
		return a.slot - b.slot
	}
	return a.id - b.id
}
