package machine

import (
	"fmt"
	"time"
)

// youth is the time after a roll's canary in which faults speak against the new
// generation: enough of them, a crash storm, take it back.
type youth struct {
	fallback int       // the generation to go back to
	until    time.Time // zero as long as the roll goes on
	faults   int
	first    time.Time // the first fault
	storm    RollEnded // the reason to go back, once there is one
}

func (y *youth) stormy() bool { return y.storm.Reason != "" }

// stormSize is how many faults make a storm of a pool with that many slots.
func stormSize(slots int) int { return max(3, (slots+1)/2) }

// sound says whether the generation that serves would be worth to go back to.
func (m *Machine) sound() bool {
	serves := false
	for _, s := range m.slots {
		if s.generation != m.generation || s.spare != 0 {
			continue
		}
		if s.unforgiven(m.now) >= 2 {
			return false
		}
		serves = serves || s.serving != nil
	}
	return serves
}

// youthOf returns the youth that the fault of a worker counts in, if any.
func (m *Machine) youthOf(w *worker) *youth {
	if r := m.roll; r != nil && r.generation == w.generation && !r.reverting {
		return r.young
	}
	if m.generation == w.generation {
		return m.young
	}
	return nil
}

// fault counts something that speaks against the program of a worker which was
// in the slot.
func (m *Machine) fault(s *slot, w *worker, reason string) {
	y := m.youthOf(w)
	if y == nil || y.stormy() {
		return
	}
	if y.faults == 0 {
		y.first = m.now
	}
	if y.faults++; y.faults < stormSize(len(m.slots)) {
		return
	}
	within := max(m.now.Sub(y.first).Round(time.Second), time.Second)
	y.storm = RollEnded{
		Generation: w.generation, Slot: s.index, Worker: w.id,
		Blame:  BlameProgram,
		Reason: fmt.Sprintf("crash storm: %d workers died within %s, the last: %s", y.faults, within, reason),
	}
	if y == m.young {
		m.flee()
		return
	}
	m.turnBack(m.roll, y.storm)
}

// flee goes back from a young generation that storms. A roll goes first: whoever
// asked for it has acted.
func (m *Machine) flee() {
	y := m.young
	if y == nil || !y.stormy() || m.roll != nil || m.pending != 0 {
		return
	}
	m.young, m.generation = nil, y.fallback
	m.roll = &roll{generation: y.storm.Generation, from: y.fallback, passed: true}
	m.turnBack(m.roll, y.storm)
}

// comeOfAge ends the youth that has lasted long enough. One that waits to be
// fled from does not end by itself.
func (m *Machine) comeOfAge() {
	if y := m.young; y != nil && !y.stormy() && !m.now.Before(y.until) {
		m.young = nil
	}
}

// begetYouth begins to count faults when a canary has passed.
func (m *Machine) begetYouth(r *roll) {
	if r.sound && m.opts.Young > 0 {
		r.young = &youth{fallback: r.from}
	}
}

// settleYouth lets the count go on after a roll that ended well.
func (m *Machine) settleYouth(r *roll) {
	m.young = r.young
	if m.young != nil {
		m.young.until = m.now.Add(m.opts.Young)
	}
}
