package machine

import (
	"fmt"
	"time"
)

// crashWindow is the time after a roll's canary has passed in which faults of the new
// generation count: enough of them, a crash storm, undo the roll.
type crashWindow struct {
	fallback int       // the generation to go back to
	until    time.Time // zero as long as the roll is in progress
	faults   int
	first    time.Time // the first fault
	storm    RollEnded // why the roll is undone, once there was a storm
}

func (c *crashWindow) stormed() bool { return c.storm.Reason != "" }

// stormSize is how many faults make a storm in a pool with that many slots.
func stormSize(slots int) int { return max(3, (slots+1)/2) }

// sound says whether the serving generation works well enough to go back to it later.
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

// crashWindowOf returns the window in which a fault of the worker counts, nil if there is
// none.
func (m *Machine) crashWindowOf(w *worker) *crashWindow {
	if r := m.roll; r != nil && r.generation == w.generation && !r.reverting {
		return r.window
	}
	if m.generation == w.generation {
		return m.window
	}
	return nil
}

// fault counts a failure of the worker for which its program is to blame.
func (m *Machine) fault(s *slot, w *worker, reason string) {
	c := m.crashWindowOf(w)
	if c == nil || c.stormed() {
		return
	}
	if c.faults == 0 {
		c.first = m.now
	}
	if c.faults++; c.faults < stormSize(len(m.slots)) {
		return
	}
	within := max(m.now.Sub(c.first).Round(time.Second), time.Second)
	c.storm = RollEnded{
		Generation: w.generation, Slot: s.index, Worker: w.id,
		Blame:  BlameProgram,
		Reason: fmt.Sprintf("crash storm: %d workers died within %s, the last: %s", c.faults, within, reason),
	}
	if c == m.window {
		m.undoRoll()
		return
	}
	m.turnBack(m.roll, c.storm)
}

// undoRoll goes back from a generation with a crash storm. A roll in progress or
// requested goes first: it replaces the generation anyway.
func (m *Machine) undoRoll() {
	c := m.window
	if c == nil || !c.stormed() || m.roll != nil || m.pending != 0 {
		return
	}
	m.window, m.generation = nil, c.fallback
	m.roll = &roll{generation: c.storm.Generation, from: c.fallback, cause: CauseRoll, passed: true}
	m.turnBack(m.roll, c.storm)
}

// closeCrashWindow ends the window when its time is over. After a storm it stays until
// undoRoll has acted.
func (m *Machine) closeCrashWindow() {
	if c := m.window; c != nil && !c.stormed() && !m.now.Before(c.until) {
		m.window = nil
	}
}

// openCrashWindow begins to count faults, when a canary has passed.
func (m *Machine) openCrashWindow(r *roll) {
	if r.sound && m.opts.CrashWindow > 0 {
		r.window = &crashWindow{fallback: r.from}
	}
}

// keepCrashWindow makes the count continue after a roll that ended well.
func (m *Machine) keepCrashWindow(r *roll) {
	m.window = r.window
	if m.window != nil {
		m.window.until = m.now.Add(m.opts.CrashWindow)
	}
}
