package pool

import (
	"strconv"
	"time"

	"relevo/pool/machine"
	"relevo/pool/tally"
)

// Status is what can be seen of a pool.
type Status struct {
	Generation int         `json:"generation"`
	State      string      `json:"state"`            // a machine.Phase, "rolling" or "asleep"
	Asleep     time.Time   `json:"asleep,omitzero"`  // since when there are no workers until a client comes
	Waking     bool        `json:"waking,omitempty"` // it has slept, and clients wait for the worker that starts
	Slots      int         `json:"slots"`
	Release    *Info       `json:"release,omitempty"`  // of Generation
	Rolling    *Info       `json:"rolling,omitempty"`  // what is being rolled in
	Noted      *Info       `json:"noted,omitempty"`    // asleep: what is tried when the pool wakes
	Fallback   int         `json:"fallback,omitempty"` // the generation that a crash storm would go back to
	Canary     *Canary     `json:"canary,omitempty"`   // on probation
	Workers    []Worker    `json:"workers"`
	LastRoll   *RollResult `json:"last_roll,omitempty"`
	// Connections counts those of workers that were led out since the app has started.
	Connections Connections `json:"connections,omitzero"`
	// Counts are those of starts, deaths and rolls since then.
	Counts tally.Tally `json:"counts,omitzero"`
}

// Serving counts the workers that serve.
func (s Status) Serving() (n int) {
	for _, w := range s.Workers {
		if w.State == string(machine.Serving) {
			n++
		}
	}
	return n
}

// Worker is one worker, or a slot that has none (ID and PID are then empty).
type Worker struct {
	Slot       int       `json:"slot"`
	ID         string    `json:"id"`
	PID        int       `json:"pid"`
	Generation int       `json:"generation"`
	State      string    `json:"state"` // a machine.State
	Started    time.Time `json:"started,omitzero"`
	Ready      time.Time `json:"ready,omitzero"`
	// ReadyBy says how relevo knew that the worker was ready: said (its own message),
	// accepted (it accepted a connection), observed (it was waiting for connections), delay,
	// or alive.
	ReadyBy  string    `json:"ready_by,omitempty"`
	Retry    time.Time `json:"retry,omitzero"` // backoff: when the next spawn is due
	Until    time.Time `json:"until,omitzero"` // draining, stopping: when relevo's patience ends
	Respawns int       `json:"respawns"`       // of the slot, since the master started
	Release  *Info     `json:"release,omitempty"`
	Text     string    `json:"text,omitempty"` // the worker's own status line
	Load     *float64  `json:"load,omitempty"` // by its own word; 1 is all that it can do
	// LoadMeasured says that relevo has measured Load in a Node worker (node_load).
	LoadMeasured bool        `json:"load_measured,omitempty"`
	Open         int         `json:"open,omitempty"` // draining: connections left, as the worker reports
	LastExit     *ExitStatus `json:"last_exit,omitempty"`
	// LastPing is when it last gave a sign of life to its watchdog: WATCHDOG=1, or an answer to a ping.
	LastPing time.Time `json:"last_ping,omitzero"`
	Health   *Health   `json:"health,omitempty"` // if there is a health check
}

// Status returns what can be seen now. It returns ErrNotRunning after Run.
func (p *Pool) Status() (Status, error) {
	var s Status
	err := p.call(func() { s = p.status() })
	return s, err
}

func (p *Pool) status() Status {
	view := p.machine.View()
	s := Status{
		Generation: view.Generation, State: string(view.Phase), Slots: view.Slots,
		Release: p.info(view.Generation), Rolling: p.info(view.Rolling), Fallback: view.Fallback,
		Canary: p.canary(view), Workers: make([]Worker, 0, len(view.Rows)), LastRoll: p.lastRoll, Connections: p.connections,
		Counts: p.tally.Clone(),
	}
	s.Waking = p.waking && view.Phase == machine.Running
	if view.Rolling != 0 {
		s.State = "rolling"
	}
	if !view.Asleep.IsZero() && view.Phase == machine.Running {
		s.State, s.Asleep, s.Noted = asleep, view.Asleep, p.info(view.Pending)
	}
	for _, row := range view.Rows {
		s.Workers = append(s.Workers, p.describe(row))
	}
	return s
}

func (p *Pool) describe(row machine.Row) Worker {
	slot := p.slot(row.Slot)
	w := Worker{
		Slot: row.Slot, Generation: row.Generation, State: string(row.State), Retry: row.Retry,
		Until:    row.Due,
		Respawns: slot.respawns, LastExit: slot.lastExit,
	}
	if m := p.members[row.Worker]; m != nil {
		w.ID, w.PID = strconv.Itoa(m.id), m.pid()
		w.Started, w.Ready, w.ReadyBy, w.Text, w.Open = m.started, m.ready, m.readyBy, m.text, m.open
		w.Load, w.LoadMeasured, w.LastPing = m.load, m.loadMeasured, m.pinged
	}
	w.Release = p.info(row.Generation)
	return w
}
