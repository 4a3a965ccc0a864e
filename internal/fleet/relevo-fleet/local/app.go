package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"relevo/internal/control"
	"relevo/internal/fleet/relevo-fleet/agent"
	"relevo/internal/fleet/relevo-fleet/store"
)

// Options of an app. Path, State and Socket are needed.
type Options struct {
	Name string
	// Path is the file that the app's master runs. State is a directory for releases and what is known.
	Path, State string
	// Socket is the control socket of the master.
	Socket string
	// FetchCommand writes a release to {file}, or to its standard output.
	FetchCommand string
	// CheckCommand has to succeed after a roll, and while the machine bakes.
	CheckCommand string
	// Minisign or Cosign is a public key: of minisign, or one of cosign in PEM. SignatureCommand writes the
	// signature to its standard output; for a release with a URL it is at that URL with .minisig or .sig by
	// default.
	Minisign, Cosign, SignatureCommand string
	Log                                *slog.Logger
}

// App is an app of this machine.
type App struct {
	Options
	key    *key // nil: releases are not signed
	mu     sync.Mutex
	known  known
	health agent.Health
}

// Open reads what is known of an app.
func Open(o Options) (*App, error) {
	key, err := readKey(o)
	if err != nil {
		return nil, err
	}
	a := &App{Options: o, key: key}
	if err := os.MkdirAll(a.releases(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory for releases of %s: %w", o.Name, err)
	}
	if err := a.read(); err != nil {
		return nil, err
	}
	if err := a.removeUnfinished(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *App) releases() string           { return filepath.Join(a.State, "releases") }
func (a *App) release(hash string) string { return filepath.Join(a.releases(), hash) }

// Runs is what runs now. A file that was put there by other means has no version.
func (a *App) Runs() agent.Running {
	hash, err := hashOf(a.Path)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || hash != a.known.Current.SHA256 {
		return agent.Running{SHA256: hash}
	}
	return agent.Running{Version: a.known.Current.Version, SHA256: hash, Deploy: a.known.Current.Deploy}
}

// Roll puts a fetched release in place and has the master roll.
func (a *App) Roll(ctx context.Context, t store.Turn, hash string) error {
	now := a.Runs()
	if now.Deploy == t.Deploy && now.SHA256 == hash {
		return nil // an earlier agent has done it
	}
	next := kept{Version: t.Release.Version, SHA256: hash, Deploy: t.Deploy}
	return a.change(ctx, kept(now), next, t.Release.Force)
}

// Back undoes what a deploy has changed.
func (a *App) Back(ctx context.Context, t store.Turn) error {
	now := a.Runs()
	a.mu.Lock()
	before := a.known.Before
	a.mu.Unlock()
	switch {
	case now.Deploy != t.Deploy:
		return nil
	case before.SHA256 == "":
		return errors.New("cannot go back: there was no release before")
	}
	return a.change(ctx, kept(now), before, true)
}

// change replaces what is in place by next. If the roll fails, what was there is put back.
func (a *App) change(ctx context.Context, now, next kept, force bool) error {
	if err := a.keep(now); err != nil {
		return err
	}
	master, err := control.Connect(ctx, a.Socket)
	if err != nil {
		return err
	}
	status, err := master.Status(ctx)
	if err != nil {
		return err
	}
	if err := a.intend(&intent{From: now, To: next, Generation: status.Generation}); err != nil {
		return err
	}
	if err := a.place(next.SHA256); err != nil {
		return errors.Join(err, a.intend(nil))
	}
	if err := roll(ctx, master, force); err != nil {
		if ctx.Err() != nil {
			return err // Settle finds out what has become of it
		}
		return errors.Join(err, a.undo(ctx, now, master))
	}
	return a.became(now, next, markOf(ctx, master))
}

func roll(ctx context.Context, master *control.Client, force bool) error {
	result, err := master.Reload(ctx, control.ReloadOptions{Force: force})
	if err != nil {
		return err
	}
	return result.Error()
}

// undo puts back what was in place.
func (a *App) undo(ctx context.Context, now kept, master *control.Client) error {
	if now.SHA256 != "" {
		if err := a.place(now.SHA256); err != nil {
			return err
		}
	}
	return a.stayed(markOf(ctx, master))
}
