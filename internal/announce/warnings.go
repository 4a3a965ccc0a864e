package announce

import (
	"maps"
	"slices"
	"sync"
)

// The kinds of warnings. For a damaged listener the kind is the listener's name.
const (
	ReleaseWarning  = "release"  // an older release serves, not the newest
	WatchWarning    = "watch"    // a changed file could not be rolled to
	HealthWarning   = "health"   // all workers fail their check
	UpgradeWarning  = "upgrade"  // a new relevo could not take over
	SleepWarning    = "sleep"    // workers stay, although none is needed
	ScaleWarning    = "scale"    // the load needs workers for which there is no memory
	ShortageWarning = "shortage" // the master could not start a worker
	MetricsWarning  = "metrics"  // their address is taken
)

// Warnings are the warnings of `relevo status`, at most one of each kind.
type Warnings struct {
	mu   sync.Mutex
	text map[string]string
}

// Set replaces the warning of a kind; an empty text removes it.
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
