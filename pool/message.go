package pool

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"syscall"

	"relevo/internal/ipc"
	"relevo/pool/machine"
)

// Target chooses workers: one by ID, those of a slot, or, with neither, all.
// Workers that are leaving are chosen by ID only.
type Target struct {
	ID   string
	Slot *int
}

func (t Target) String() string {
	switch {
	case t.ID != "":
		return "worker " + t.ID
	case t.Slot != nil:
		return "slot " + strconv.Itoa(*t.Slot)
	}
	return "any slot"
}

func (t Target) matches(m *member) bool {
	if m.process == nil || m.abandoned {
		return false
	}
	if t.ID != "" {
		return t.ID == strconv.Itoa(m.id)
	}
	lives := m.state == machine.Starting || m.state == machine.Serving
	return lives && (t.Slot == nil || *t.Slot == m.slot)
}

// ErrNoWorker is returned by Send and Signal if no worker matches the target.
var ErrNoWorker = errors.New("pool: no such worker")

// ErrAsleep is returned by Send and Signal if there is no worker because the pool sleeps.
var ErrAsleep = errors.New("the app is asleep, so it has no workers; relevo scale 1 starts one, and " +
	"relevo scale auto lets the app sleep again")

// Send sends an application message, one JSON value, to the workers chosen. It
// returns the ids of those whose channel took it; the error joins the reasons of
// the others.
func (p *Pool) Send(t Target, data []byte) (reached []string, err error) {
	message, err := ipc.AppForAll(data)
	if err != nil {
		return nil, err
	}
	return p.each(t, func(m *member) error { return m.process.Send(message) })
}

// Signal sends a signal to the main processes of the workers chosen. If a worker exits
// because of it, that counts as the worker's own exit.
func (p *Pool) Signal(t Target, sig syscall.Signal) (reached []string, err error) {
	return p.each(t, func(m *member) error {
		m.signalled = m.signalled || ends(sig)
		return m.process.Signal(sig)
	})
}

func (p *Pool) each(t Target, do func(*member) error) (reached []string, err error) {
	matched, asleep := false, false
	callErr := p.unfrozen(func() {
		for _, id := range slices.Sorted(maps.Keys(p.members)) {
			m := p.members[id]
			if !t.matches(m) {
				continue
			}
			matched = true
			if e := do(m); e != nil {
				err = errors.Join(err, fmt.Errorf("worker %d (pid %d): %w", m.id, m.pid(), e))
				continue
			}
			reached = append(reached, strconv.Itoa(m.id))
		}
		asleep = !p.machine.View().Asleep.IsZero()
	})
	if callErr != nil {
		return nil, callErr
	}
	switch {
	case matched:
		return reached, err
	case asleep:
		return nil, fmt.Errorf("cannot reach %s: %w", t, ErrAsleep)
	}
	return nil, fmt.Errorf("cannot reach %s: %w", t, ErrNoWorker)
}
