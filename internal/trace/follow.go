package trace

import (
	"context"
	"sync"
	"time"

	"relevo/internal/control"
	"relevo/pool"
)

// Follower receives the events of all apps, also after their masters were replaced, and makes a
// trace of each roll that ends.
type Follower struct {
	Names   func() ([]string, error)
	Connect func(ctx context.Context, name string) (*control.Client, error)
	Ended   func(Trace)

	mu       sync.Mutex
	followed map[string]bool
	running  sync.WaitGroup
}

// lookEvery is the interval at which Run looks for new apps, and for masters that did not answer.
const lookEvery = time.Second

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	f.followed = map[string]bool{}
	since := time.Now()
	for ticks := time.NewTicker(lookEvery); ; {
		names, _ := f.Names() // an error goes away, or the page shows it
		for _, name := range names {
			f.follow(ctx, name, since)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			ticks.Stop()
			f.running.Wait()
			return
		}
	}
}

// follow follows one app, unless it is followed already, until its master does not answer. It
// makes no traces of rolls that ended before since.
func (f *Follower) follow(ctx context.Context, name string, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followed[name] {
		return
	}
	f.followed[name] = true
	f.running.Go(func() {
		a := &listener{Recorder: Recorder{App: name}, ended: f.Ended, since: since}
		for ctx.Err() == nil && a.listen(ctx, f.Connect) {
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.followed, name)
	})
}

// listener receives the events of one app.
type listener struct {
	Recorder
	ended func(Trace)
	since time.Time // rolls that ended before it get no trace
}

// listen receives the events of one master until it ends. It returns false if there was none.
func (a *listener) listen(ctx context.Context, connect func(context.Context, string) (*control.Client, error)) bool {
	client, err := connect(ctx, a.App)
	if err != nil {
		return false
	}
	status, err := client.Status(ctx)
	if err != nil {
		return false
	}
	stream, err := client.Events(ctx)
	if err != nil {
		return false
	}
	defer stream.Close()
	a.Since = status.Started
	// Events before the subscription: the beginning of a roll that is still under way, and the end
	// of a roll that ended while the listener had no connection.
	past, _ := client.Recent(ctx)
	var known time.Time
	for _, e := range past {
		a.hear(e.Event)
		known = e.Time
	}
	for {
		e, _, err := stream.Next()
		if err != nil {
			return true
		}
		if e.Kind != pool.KindRoll || e.Time.After(known) {
			a.hear(e)
		}
	}
}

func (a *listener) hear(e pool.Event) {
	if t, ended := a.Hear(e); ended && t.Spans[0].End.After(a.since) {
		a.since = t.Spans[0].End
		a.ended(t)
	}
}
