package master

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader"
)

// suspectFor is how long after its start a worker is a suspect where a shared
// listener was damaged: programs set their sockets up then.
const suspectFor = 10 * time.Second

// goneFor is how long after its end a worker is a suspect.
const goneFor = time.Second

// watchFor is how long the listeners are looked at closely after a worker came
// or began to go; see upgrader.Watch.
const watchFor = 3 * time.Second

// renewEvery is the pause between two looks at workers that hold a dead socket.
const renewEvery = 100 * time.Millisecond

// healed tells of a listener that a worker had damaged for all others. The
// kernel does not say which one it was: those that come or go are named.
func (m *Master) healed(h upgrader.Healed, times int) {
	now := h.At
	by := " by a worker"
	if h.Outside {
		by = ""
	}
	listener := fmt.Sprintf("listener %s (%s)", h.Listener, h.Address)
	text := fmt.Sprintf("%s: %s%s, mended", listener, h.What, by)
	switch {
	case h.Err != nil:
		text = fmt.Sprintf("%s: %s%s, not mended: %v", listener, h.What, by, h.Err)
	case h.Renewed:
		text += " by a new socket, for which the workers are replaced"
	}
	if times > 1 {
		text += fmt.Sprintf(", the last of %d times", times)
	}
	status, err := m.running().Status()
	if err != nil {
		return // nobody is left
	}
	var suspects []string
	if !h.Outside {
		suspects = m.damages.suspects(status.Workers, now)
	}
	// The warning first: who hears of the event finds it in the status.
	m.damages.warn(&m.warnings, listener, text, suspects, times, now)
	m.running().Publish(pool.Event{Kind: pool.KindHealed, Text: text, Addresses: []string{h.Address}, Workers: suspects})
	if h.Renewed && h.Err == nil {
		m.renewWorkers(now, listener+" had to be opened anew")
	}
}

// renewWorkers recycles the workers that were started before a socket was opened
// anew. It is no roll: whatever the configuration and the file of the release
// hold by now, those workers serve nobody.
func (m *Master) renewWorkers(opened time.Time, reason string) {
	looks := time.NewTicker(renewEvery)
	defer looks.Stop()
	for ; ; <-looks.C {
		status, err := m.running().Status()
		if err != nil || !m.recycleBefore(status.Workers, opened, reason) {
			return
		}
	}
}

// recycleBefore says whether a worker that was started before a moment is left.
func (m *Master) recycleBefore(workers []pool.Worker, moment time.Time, reason string) (left bool) {
	for _, w := range workers {
		stays := w.State == string(machine.Starting) || w.State == string(machine.Serving)
		if w.ID == "" || !stays || w.Started.After(moment) {
			continue
		}
		left = true
		if w.State == string(machine.Serving) {
			if err := m.running().Recycle(w.ID, reason); err != nil {
				m.log.Debug("not recycled", "worker", w.ID, "err", err)
			}
		}
	}
	return left
}

// Start looks at the listeners first. Many a program makes those that it inherits
// non-blocking itself: then nobody could tell any more that another worker had made
// them blocking.
func (g *generation) Start(o pool.Order, sink func(pool.Report)) (pool.Process, error) {
	g.sockets.all.upgrader.Inspect()
	return g.Release.Start(o, sink)
}

// damages is what the master remembers to tell of damaged listeners.
type damages struct {
	mu    sync.Mutex
	times map[string]int       // how often, by listener
	last  map[string]time.Time // when, by listener
	lives map[string]bool      // workers of which no end was noted yet, by id
	gone  map[string]time.Time // workers that ended lately, by id
}

// forked notes a worker's beginning.
func (d *damages) forked(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lives == nil {
		d.lives = map[string]bool{}
	}
	d.lives[id] = true
}

// exited notes a worker's end.
func (d *damages) exited(id string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end(id, at)
}

// end holds d.mu.
func (d *damages) end(id string, at time.Time) {
	if d.gone == nil {
		d.gone = map[string]time.Time{}
	}
	for other, when := range d.gone {
		if at.Sub(when) > goneFor {
			delete(d.gone, other)
		}
	}
	d.gone[id] = at
	delete(d.lives, id)
}

// suspects are the workers that start or leave, and those that started or ended
// lately. Where there is none of these, it may have been any.
func (d *damages) suspects(workers []pool.Worker, now time.Time) (ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.lives {
		// The pool knows of its end already, and the note of it is on its way here.
		if !slices.ContainsFunc(workers, func(w pool.Worker) bool { return w.ID == id }) {
			d.end(id, now)
		}
	}
	for id, when := range d.gone {
		if now.Sub(when) <= goneFor {
			ids = append(ids, id)
		}
	}
	for _, w := range workers {
		if w.ID != "" && (w.State != string(machine.Serving) || now.Sub(w.Started) < suspectFor) {
			ids = append(ids, w.ID)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return slices.Compact(ids)
}

// warn sets the one line that status shows of a listener. Several may call it at
// once: the last count stays.
func (d *damages) warn(w *warnings, listener, text string, suspects []string, times int, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.times == nil {
		d.times, d.last = map[string]int{}, map[string]time.Time{}
	}
	d.times[listener] += times
	d.last[listener] = now
	if len(suspects) > 0 {
		text += "; suspects: " + strings.Join(suspects, ", ")
	}
	if times := d.times[listener]; times > 1 {
		text += fmt.Sprintf("; damaged %d times", times)
	}
	w.set(listener, text+"; at "+now.Format(time.TimeOnly))
}

// before forgets the listeners that were damaged before a moment, and not since.
func (d *damages) before(moment time.Time) (listeners []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for listener, last := range d.last {
		if last.Before(moment) {
			listeners = append(listeners, listener)
			delete(d.times, listener)
			delete(d.last, listener)
		}
	}
	return listeners
}

// forgive takes back the warnings of damage done by a release that is gone.
func (m *Master) forgive(r pool.RollResult) {
	if r.Result != machine.OK || r.Release == nil || r.FromRelease == nil || r.Release.SHA256 == r.FromRelease.SHA256 {
		return
	}
	for _, listener := range m.damages.before(r.Started) {
		m.warnings.set(listener, "")
	}
}
