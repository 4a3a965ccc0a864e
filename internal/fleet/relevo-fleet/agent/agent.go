package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"relevo/internal/fleet/relevo-fleet/store"
)

// App is an app of this machine.
type App interface {
	// Settle finishes what an earlier agent has left unfinished: it returns when the machine runs one
	// release for sure.
	Settle(ctx context.Context) error
	// Runs is what runs now.
	Runs() Running
	// Fetch gets the bytes of a release and checks them. It changes nothing that runs.
	Fetch(ctx context.Context, r store.Release) (sha256 string, err error)
	// Roll puts fetched bytes in place and has the master roll. If it fails, what was there is back.
	// If ctx ends, that is left to Settle.
	Roll(ctx context.Context, t store.Turn, sha256 string) error
	// Back undoes what a deploy has changed here.
	Back(ctx context.Context, t store.Turn) error
	// Health is how the app is now.
	Health() Health
	// Check runs the app's check; nil: there is none, or it has passed.
	Check(ctx context.Context) error
	// Watch calls changed with the health, at once and after each change, until ctx ends.
	Watch(ctx context.Context, changed func(Health))
}

// Running is the release that runs.
type Running struct {
	Version, SHA256 string
	Deploy          int
}

// Health is how an app is.
type Health struct {
	Running bool
	Workers int
	Deaths  int // since the last turn
	Fault   string
}

// Options of an agent.
type Options struct {
	Client   *store.Client
	Machine  string
	Labels   map[string]string
	Presence store.Presence
	Apps     map[string]App
	Log      *slog.Logger
	TTL      time.Duration // of the lease; default 10s
}

// Run is the agent's life, until ctx ends.
func Run(ctx context.Context, o Options) {
	if o.TTL == 0 {
		o.TTL = 10 * time.Second
	}
	var all sync.WaitGroup
	var turners []*turner
	for name, app := range o.Apps {
		t := newTurner(o, name, app)
		turners = append(turners, t)
		all.Go(func() { t.run(ctx) })
	}
	for ctx.Err() == nil {
		o.bePresent(ctx, turners)
	}
	all.Wait()
}

// bePresent begins a session and holds it until it ends.
func (o Options) bePresent(ctx context.Context, turners []*turner) {
	session, err := o.Client.Begin(ctx, o.Machine, o.Presence, o.TTL)
	if err != nil {
		if ctx.Err() == nil {
			o.Log.Warn("not connected; tries again. The apps keep serving", "err", err)
			sleep(ctx, retry())
		}
		return
	}
	o.Log.Info("connected", "machine", o.Machine)
	for _, t := range turners {
		t.tell(ctx, session)
	}
	select {
	case <-session.Done:
		if ctx.Err() == nil {
			o.Log.Warn("the connection to etcd is lost. The apps keep serving")
		}
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		session.End(context.WithoutCancel(ctx)) // at best; the lease ends by itself
	}
}

// retry is when to try again: not all machines of a fleet at the same moment.
func retry() time.Duration { return time.Second + rand.N(2*time.Second) }

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
