package generations

import (
	"errors"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/launch"
	"relevo/pool"
)

// Generation is a release together with the sockets that its workers inherit and
// the configuration that it was made from: pool.Release.
type Generation struct {
	*launch.Release
	of          *Generations
	key         int // unique in the life of the app
	app         config.App
	sockets     *Hold
	fingerprint string // of the command
	capturing   *capturing
	trial       Trial          // requested with its roll
	backFrom    decide.Release // what a user rolled back from to this generation
}

var _ pool.Release = (*Generation)(nil)

// Close releases bytes and sockets.
func (g *Generation) Close() error {
	return errors.Join(g.Release.Close(), g.sockets.Close())
}

// Start inspects the listeners first. Many programs make inherited listeners non-blocking by
// themselves, which would hide that another worker had made them blocking.
func (g *Generation) Start(o pool.Order, sink func(pool.Report)) (pool.Process, error) {
	g.sockets.all.Set.Inspect()
	return g.Release.Start(o, sink)
}

// App is the configuration of the generation. Settings that need no new workers may change while it
// serves.
func (g *Generation) App() config.App {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	return g.app
}

// Fingerprint identifies the command.
func (g *Generation) Fingerprint() string { return g.fingerprint }

// Sum is the sha256 of the release's bytes; empty: they can be run, but not read.
func (g *Generation) Sum() string { return g.Info().SHA256 }

// Same says whether another generation has the same bytes, in the same place, and the same command.
func (g *Generation) Same(other *Generation) bool {
	return g.Sum() != "" && g.Sum() == other.Sum() && g.fingerprint == other.fingerprint
}

// Bound returns the listeners for the control socket.
func (g *Generation) Bound() []control.Listener { return g.sockets.ForPeople() }

// Hints returns advice about the clients of the listeners.
func (g *Generation) Hints() []string { return g.sockets.all.OneClient(g.sockets) }

// BackFrom notes that a user rolls back to this generation. The one that is left gets its verdict
// only if the roll succeeds: after a failed rollback it still serves.
func (g *Generation) BackFrom(serving *Generation) {
	if sum := serving.Sum(); sum != g.Sum() {
		g.backFrom = decide.Release{Sum: sum, Fingerprint: serving.fingerprint}
	}
}
