package proxy

import (
	"encoding/json"
	"fmt"
	"sync"
)

// state is everything that a page has to know.
type state struct {
	// Instance differs for each proxy, so that pages of an earlier proxy know that they are old.
	Instance string `json:"instance"`
	// Serial counts the changes: states come to a page in two ways, and an old one may come late.
	Serial uint64 `json:"serial"`
	// Page and Style count the reasons to reload the page, and to swap its styles.
	Page  uint64 `json:"page"`
	Style uint64 `json:"style"`
	// Trouble counts failures: a failure that the user closed stays closed, a new one is shown.
	Trouble uint64       `json:"trouble"`
	Failure *failureView `json:"failure"`
}

// board shows the state to any number of readers. Each reads the newest state when it is ready to,
// so a slow reader delays nothing.
type board struct {
	mu      sync.Mutex
	now     state
	changed chan struct{} // closed and replaced at each change
}

func newBoard(instance string) *board {
	return &board{now: state{Instance: instance}, changed: make(chan struct{})}
}

// look returns the state, and a channel that is closed when the state changes.
func (b *board) look() (state, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.changed
}

func (b *board) change(to func(*state)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	to(&b.now)
	b.now.Serial++
	close(b.changed)
	b.changed = make(chan struct{})
}

func (s state) json() []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("internal error: cannot encode the state of pages: %v", err))
	}
	return text
}

// stamp goes into the script element of a document: the state at the time of its request.
func (s state) stamp() string { return fmt.Sprintf("%s.%d.%d", s.Instance, s.Page, s.Style) }
