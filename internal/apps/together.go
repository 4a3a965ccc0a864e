package apps

import (
	"context"
	"fmt"
	"sync"

	"relevo/internal/control"
)

// Wanted is an app that is to be started.
type Wanted struct {
	Definition
	Text  []byte   // of its configuration file, where relevo writes it
	After []string // apps that have to serve first
	// Err is why it cannot be started; nil: it can.
	Err error
	// Unbounded says that its output goes to a file that does not rotate.
	Unbounded bool
	Notes     []string // for the user, about its configuration
}

// startsAtATime is how many masters start at the same time.
const startsAtATime = 8

// StartAll starts apps, each after the apps that have to serve before it. It reports them one
// at a time, and returns how many have failed. Apps that wait for each other fail; the others start.
func (s Starter) StartAll(ctx context.Context, all []Wanted,
	tell func(Wanted, control.Status, error)) (failed int) {
	all = refuseCircles(all)
	ended := map[string]chan struct{}{} // closed when a start has ended
	serves := sync.Map{}                // names of those that serve
	for _, w := range all {
		ended[w.Name] = make(chan struct{})
	}
	turns := make(chan struct{}, startsAtATime)
	var telling sync.Mutex
	var started sync.WaitGroup
	for _, w := range all {
		started.Go(func() {
			defer close(ended[w.Name])
			status, err := s.startAfter(ctx, w, ended, &serves, turns)
			telling.Lock()
			defer telling.Unlock()
			if err != nil {
				failed++
			} else {
				serves.Store(w.Name, true)
			}
			tell(w, status, err)
		})
	}
	started.Wait()
	return failed
}

func (s Starter) startAfter(ctx context.Context, w Wanted, ended map[string]chan struct{}, serves *sync.Map,
	turns chan struct{}) (control.Status, error) {
	if w.Err != nil {
		return control.Status{}, w.Err
	}
	for _, other := range w.After {
		if end := ended[other]; end != nil {
			<-end
			if _, ok := serves.Load(other); ok {
				continue
			}
		}
		if status, err := s.look(ctx, other); err != nil || !Serves(status) {
			return control.Status{}, fmt.Errorf("cannot start %[1]s: it comes after %[2]s, which does not serve", w.Name, other)
		}
	}
	turns <- struct{}{}
	defer func() { <-turns }()
	return s.Start(ctx, w.Definition, w.Text)
}
