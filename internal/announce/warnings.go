package announce

import (
	"maps"
	"slices"
	"sync"
)

// The kinds of warnings. A listener that was damaged has one of its own name.
const (
	ReleaseWarning  = "release"  // another release serves than the newest
	WatchWarning    = "watch"    // what changed could not be rolled to
	HealthWarning   = "health"   // all workers fail their check
	UpgradeWarning  = "upgrade"  // a new relevo could not go on
	ShortageWarning = "shortage" // the master could not start a worker
)

// Warnings are what `relevo status` tells somebody to look at, one of each kind.
type Warnings struct {
	mu   sync.Mutex
	text map[string]string
}

// Set replaces the warning of a kind; an empty text takes it away.
func (w *Warnings) Set(kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text == nil {
		w.text = map[string]string{}
	}
	if text == "" {
		delete(w.text, kind)
		return
	}
	w.text[kind] = text
}

// All are the warnings by their kinds, as the next master gets them.
func (w *Warnings) All() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.text)
}

// List are the texts, in the order of their kinds.
func (w *Warnings) List() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(w.text)) {
		all = append(all, w.text[kind])
	}
	return all
}
