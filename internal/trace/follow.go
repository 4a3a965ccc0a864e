package trace

import (
	"context"
	"sync"
	"time"

	"relevo/internal/control"
	"relevo/pool"
)

// Follower hears the events of all apps, over all their masters, and makes traces of the rolls
// that end.
type Follower struct {
	Names   func() ([]string, error)
	Connect func(ctx context.Context, name string) (*control.Client, error)
	Ended   func(Trace)

	mu       sync.Mutex
	followed map[string]bool
	running  sync.WaitGroup
}

// lookEvery is how often apps that are new are looked for, and how long a master may be gone before
// it is asked again.
const lookEvery = time.Second

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	f.followed = map[string]bool{}
	since := time.Now()
	for ticks := time.NewTicker(lookEvery); ; {
		names, _ := f.Names() // an error passes, or the page shows it
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

// follow follows one app, unless it is followed already, until its master does not answer. Rolls
// that ended before a moment were told of already, or are nobody's business.
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

// listener hears the events of one app.
type listener struct {
	Recorder
	ended func(Trace)
	since time.Time // rolls that ended before it are not told of
}

// listen hears one master until it ends. It returns whether there was one.
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
	// What has happened before the subscription: the beginning of a roll that is under way, and
	// the end of one while nobody listened.
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
