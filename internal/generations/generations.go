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

// Options of Generations. All are required.
type Options struct {
	Log      *slog.Logger
	Sockets  *Sockets
	Launcher Launcher
	// Admission is asked before a worker serves.
	Admission func(config.App) launch.Admission
	// Stopping says whether the app stops.
	Stopping func() bool
	// Blocked returns why nothing may be prepared now: another master has the sockets, or is about
	// to take them.
	Blocked func() error
}

// Generations holds those of one app. It is safe for concurrent use.
type Generations struct {
	o Options

	mu        sync.Mutex
	now       state
	forgetful bool // the last verdict could not be stored
}

// state is what a running app knows about generations, whether its master started cold or took
// over. A field that may be empty has the tag empty, with the reason.
type state struct {
	keys    int         // the highest that was given to a generation
	current *Generation // the generation that serves
	wanted  *Generation // the generation that serves once all requested rolls have succeeded
	lastSum string      `empty:"sha256 of what the command's file held at the last look; it may be unreadable"`
}

// New returns Generations without any.
func New(o Options) *Generations { return &Generations{o: o} }

// Missing names what a running app needs and this one does not have.
func (gs *Generations) Missing() []string {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return whole.Missing(&gs.now)
}

// Serving is the generation that serves; during a roll, the old one. It is nil before the first one
// begins.
func (gs *Generations) Serving() *Generation {
	if gs == nil {
		return nil
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.now.current
}

// Wanted is the generation that serves once all requested rolls have succeeded.
func (gs *Generations) Wanted() *Generation {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.now.wanted
}

// SetLive applies the settings of an app that need no new workers to the serving and the wanted
// generation.
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

// Want notes a generation for which a roll is requested.
func (gs *Generations) Want(g *Generation) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.now.wanted = g
}

// Begin makes a first generation the serving one.
func (gs *Generations) Begin(first *Generation) {
	gs.Want(first)
	gs.serve(first, first)
	gs.report(first.sockets.Serve(first.app.Listen))
}

// serve notes which generation serves after another one was tried, and returns the configuration
// that served before.
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

// Looked notes which bytes the command's file held at the last look.
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

// Ended describes a roll that has ended.
type Ended struct {
	Tried, From *Generation
	Before, Now config.App // before and after the roll
}

// Follow opens, retires and parks sockets at each step of a roll between two generations. At the
// end of the roll it returns a description of it. It does not block.
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
