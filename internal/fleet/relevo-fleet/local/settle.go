package local

import (
	"context"
	"time"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

// Settle finds out what has become of a change that an earlier agent has begun: the master runs it, or what
// was there is put back. It waits for a master that rolls, or does not answer.
func (a *App) Settle(ctx context.Context) error {
	a.mu.Lock()
	i := a.known.Intent
	a.mu.Unlock()
	for i != nil && ctx.Err() == nil {
		master, status, err := a.ask(ctx)
		if err == nil && status.Rolling == nil && status.State != "rolling" {
			if rolled(status.Status, i.Generation) && a.inPlace(i.To) {
				return a.became(i.From, i.To, markOf(ctx, master))
			}
			return a.undo(ctx, i.From, master)
		}
		a.Log.Info("waits for the master, to learn what it runs", "app", a.Name, "err", err)
		pause(ctx, time.Second)
	}
	return ctx.Err()
}

func (a *App) ask(ctx context.Context) (*control.Client, control.Status, error) {
	master, err := control.Connect(ctx, a.Socket)
	if err != nil {
		return nil, control.Status{}, err
	}
	status, err := master.Status(ctx)
	return master, status, err
}

// rolled says whether the last roll ended well, and came after a generation.
func rolled(s pool.Status, generation int) bool {
	return s.Generation > generation && s.LastRoll != nil && s.LastRoll.Result == machine.OK &&
		s.LastRoll.Generation == s.Generation
}

func (a *App) inPlace(k kept) bool {
	hash, err := hashOf(a.Path)
	return err == nil && hash == k.SHA256
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
