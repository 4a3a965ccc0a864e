// Package simulated has machines that do nothing but take their time: for the bench, and for tests of what is
// between machines and etcd.
package simulated

import (
	"context"
	"errors"
	"sync"
	"time"

	"relevo/internal/fleet/relevo-fleet/agent"
	"relevo/internal/fleet/relevo-fleet/store"
)

// App is an app of a simulated machine. Set the fields before its agent runs.
type App struct {
	RollTime time.Duration
	// Bad is a version that fails.
	Bad string
	// Began, if set, is called when the machine begins to change what runs, Ended when it has changed.
	Began, Ended func()
	// Fetching, if set, is called while the machine fetches.
	Fetching func()

	mu      sync.Mutex
	running agent.Running
	before  agent.Running
	health  agent.Health
	changed func(agent.Health)
}

// Settle has nothing to settle.
func (a *App) Settle(context.Context) error { return nil }

// Runs is what runs.
func (a *App) Runs() agent.Running {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}

// Fetch has any release at once.
func (a *App) Fetch(_ context.Context, r store.Release) (string, error) {
	if a.Fetching != nil {
		a.Fetching()
	}
	return "hash of " + r.Version, nil
}

// Roll takes RollTime.
func (a *App) Roll(ctx context.Context, t store.Turn, sha256 string) error {
	return a.change(ctx, func() error {
		if t.Release.Version == a.Bad {
			return errors.New("cannot roll: this version is bad")
		}
		a.before, a.running = a.running, agent.Running{Version: t.Release.Version, SHA256: sha256, Deploy: t.Deploy}
		return nil
	})
}

// Back takes RollTime.
func (a *App) Back(ctx context.Context, t store.Turn) error {
	return a.change(ctx, func() error {
		if a.running.Deploy == t.Deploy {
			a.running = a.before
		}
		return nil
	})
}

func (a *App) change(ctx context.Context, do func() error) error {
	if a.Began != nil {
		a.Began()
		defer a.Ended()
	}
	select {
	case <-time.After(a.RollTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return do()
}

// Check passes.
func (a *App) Check(context.Context) error { return nil }

// Health is the last one.
func (a *App) Health() agent.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.health
}

// Watch tells of a healthy app, and of what Become has said.
func (a *App) Watch(ctx context.Context, changed func(agent.Health)) {
	a.mu.Lock()
	a.changed = changed
	a.mu.Unlock()
	a.Become(agent.Health{Running: true, Workers: 2})
	<-ctx.Done()
}

// Become changes the health of an app that is watched.
func (a *App) Become(h agent.Health) {
	a.mu.Lock()
	a.health = h
	changed := a.changed
	a.mu.Unlock()
	changed(h)
}
