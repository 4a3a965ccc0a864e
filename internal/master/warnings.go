package master

import (
	"maps"
	"slices"
	"sync"
)

// releaseWarning is the kind of the one that another release serves than the
// newest.
const releaseWarning = "release"

// watchWarning is the kind of the one that what changed could not be rolled to.
const watchWarning = "watch"

// warnings are what `relevo status` tells somebody to look at, one of each kind.
type warnings struct {
	mu   sync.Mutex
	text map[string]string
}

// set replaces the warning of a kind; an empty text takes it away.
func (w *warnings) set(kind, text string) {
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

func (w *warnings) all() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.text)
}

func (w *warnings) list() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(w.text)) {
		all = append(all, w.text[kind])
	}
	return all
}

// broadcast wakes everybody who waits, each time that it is set.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that is closed by the next set.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) set() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
