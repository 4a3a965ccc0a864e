package announce

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
)

// suspectFor is how long after its start a worker is suspected of damage to a shared
// listener: programs set up their sockets at their start.
const suspectFor = 10 * time.Second

// goneFor is how long after its end a worker is suspected.
const goneFor = time.Second

// Damages is what the master remembers about damaged listeners, for its warnings.
type Damages struct {
	mu    sync.Mutex
	times map[string]int       // how often, by listener
	last  map[string]time.Time // when, by listener
	lives map[string]bool      // workers of which no end was noted yet, by id
	gone  map[string]time.Time // workers that ended lately, by id
}

// Forked notes a worker's beginning.
func (d *Damages) Forked(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lives == nil {
		d.lives = map[string]bool{}
	}
	d.lives[id] = true
}

// Exited notes a worker's end.
func (d *Damages) Exited(id string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end(id, at)
}

// end notes a worker's end. The caller holds d.mu.
func (d *Damages) end(id string, at time.Time) {
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

// Suspects returns the workers that start or leave, and those that started or ended lately. If
// there are none, it returns all workers.
func (d *Damages) Suspects(workers []pool.Worker, now time.Time) (ids []string) {
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

// Warn sets the line that status shows for a listener. If several goroutines call it at
// once, the last count stays.
func (d *Damages) Warn(w *Warnings, listener, text string, suspects []string, times int, now time.Time) {
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
	w.Set(listener, text+"; at "+now.Format(time.TimeOnly))
}

// Before forgets the listeners that were last damaged before a moment.
func (d *Damages) Before(moment time.Time) (listeners []string) {
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
