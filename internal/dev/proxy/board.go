package proxy

import (
	"encoding/json"
	"fmt"
	"sync"
)

// state is all that a page has to know.
type state struct {
	// Instance is another one for each proxy, so that pages of an earlier one
	// know that they are old.
	Instance string `json:"instance"`
	// Page and Style count the reasons to reload the page, and to swap its styles.
	Page  uint64 `json:"page"`
	Style uint64 `json:"style"`
	// Trouble counts failures, so that one that was closed stays closed.
	Trouble uint64       `json:"trouble"`
	Failure *failureView `json:"failure"`
}

// board shows the state to any number of readers. Each sees the newest one when
// it comes round to look, so that a slow one holds nobody up.
type board struct {
	mu      sync.Mutex
	now     state
	changed chan struct{} // closed, and replaced, by change
}

func newBoard(instance string) *board {
	return &board{now: state{Instance: instance}, changed: make(chan struct{})}
}

// look returns the state, and a channel that is closed when there is another.
func (b *board) look() (state, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.changed
}

func (b *board) change(to func(*state)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	to(&b.now)
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

// stamp goes into the script element of a document: the state it was asked under.
func (s state) stamp() string { return fmt.Sprintf("%s.%d.%d", s.Instance, s.Page, s.Style) }
