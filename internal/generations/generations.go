package generations

import (
	"errors"
	"log/slog"
	"sync"

	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/internal/launch/store"
	"relevo/internal/whole"
	"relevo/pool"
	"relevo/pool/machine"
)

// Launcher makes releases of commands: package launch.
type Launcher interface {
	Prepare(launch.Command) (*launch.Release, error)
	PrepareStored(c launch.Command, sha256 string) (*launch.Release, error)
	TakeOver(launch.Command, pool.ReleaseLegacy) (*launch.Release, error)
	Look(launch.Command) (pool.Info, error)
	Store() *store.Store
}

// Options are what generations are made of. All are required.
type Options struct {
	Log      *slog.Logger
	Sockets  *Sockets
	Launcher Launcher
	// Admission is asked before a worker serves.
	Admission func(config.App) launch.Admission
	// Stopping says whether the app comes to its end.
	Stopping func() bool
	// Blocked is why nothing may be prepared now: the sockets are another master's, or about
	// to be.
	Blocked func() error
}

// Generations are those of one app. It is safe for concurrent use.
type Generations struct {
	o Options

	mu        sync.Mutex
	now       state
	forgetful bool // the last verdict was not written down
}

// state is what a running app has of generations, however its master came to be. A field
// that may be empty says so with the tag empty, and why.
type state struct {
	keys    int         // the highest given to a generation
	current *Generation // what serves
	wanted  *Generation // what is to serve when all rolls asked for have ended well
	lastSum string      `empty:"sha256 of what the command's file held at the last look; it may be unreadable"`
}

// New has no generation yet.
func New(o Options) *Generations { return &Generations{o: o} }

// Missing names what a running app has to have of generations, and this one has not.
func (gs *Generations) Missing() []string {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return whole.Missing(&gs.now)
}

// Serving is the generation that serves; while a roll is under way, the old one. Before the
// first one is begun with it is nil.
func (gs *Generations) Serving() *Generation {
	if gs == nil {
		return nil
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.now.current
}

// Wanted is what is to serve when all rolls asked for have ended well.
func (gs *Generations) Wanted() *Generation {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.now.wanted
}

// SetLive gives what serves, and what is to serve, the settings of an app that need
// no new workers.
func (gs *Generations) SetLive(app config.App) (before, now config.App) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	current, wanted := gs.now.current, gs.now.wanted
	before = current.app
	current.app = config.WithLive(before, app)
	if wanted != current {
		wanted.app = config.WithLive(wanted.app, app)
	}
	return before, current.app
}

// Want notes a generation that a roll is asked for.
func (gs *Generations) Want(g *Generation) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.now.wanted = g
}

// Begin has a first generation serve.
func (gs *Generations) Begin(first *Generation) {
	gs.Want(first)
	gs.serve(first, first)
	gs.report(first.sockets.Serve(first.app.Listen))
}

// serve notes what serves after another generation was tried, and returns the configuration
// of what served before.
func (gs *Generations) serve(g, tried *Generation) (before config.App) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.now.current != nil {
		before = gs.now.current.app
	}
	if gs.now.wanted == tried {
		gs.now.wanted = g
	}
	gs.now.current = g
	return before
}

// Looked notes which bytes the command's file held when it was looked at last.
func (gs *Generations) Looked(g *Generation) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.now.lastSum = g.Sum()
}

// LastLook is the sha256 of the bytes that the command's file held at the last look.
func (gs *Generations) LastLook() string {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.now.lastSum
}

// Ended is what follows from the end of a roll.
type Ended struct {
	Tried, From *Generation
	Before, Now config.App // what served, and what serves
}

// Follow does at each step of a roll to a generation, from the one that served before, what is
// due to their sockets. At the end of the roll it returns what follows. It does not block.
func (gs *Generations) Follow(step pool.Step, result machine.Result, to, from pool.Release) *Ended {
	next, last := to.(*Generation), from.(*Generation)
	switch step {
	case pool.StepBegan:
		gs.report(next.sockets.Listen())
	case pool.StepCanary:
		gs.report(next.sockets.Open())
	case pool.StepReverting:
		gs.report(last.sockets.Open())
	case pool.StepEnded:
		serving := next
		if result != machine.OK {
			serving = last
		}
		app := serving.App()
		gs.report(serving.sockets.Serve(app.Listen))
		return &Ended{Tried: next, From: last, Before: gs.serve(serving, next), Now: app}
	}
	return nil
}

// Drop closes a generation that is not rolled to.
func (gs *Generations) Drop(g *Generation) {
	gs.report(errors.Join(g.Close(), gs.o.Sockets.Revert()))
}

func (gs *Generations) report(err error) {
	if err != nil {
		gs.o.Log.Error("internal error", "err", err)
	}
}
