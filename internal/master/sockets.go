package master

import (
	"errors"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/upgrader/listeners"
)

func (m *maker) openListeners() error {
	m.useListeners(listeners.New(m.listenerOptions(listeners.LastID(m.keeper.Names()))), m.opts.App.Listen)
	m.listeners.Set.Activate(m.opts.Arrival.Activated())
	sockets, err := m.listeners.Acquire(m.opts.App.Listen)
	if errors.Is(err, listeners.ErrUnclaimed) {
		err = control.WithExit(err, control.ExitConfig)
	}
	m.boot.sockets = sockets
	return m.strays().explain(err)
}

// listenerOptions are the options for a cold start and for a take-over. lastID is the highest id of
// a listener that another master may have left.
func (m *maker) listenerOptions(lastID int) listeners.Options {
	return listeners.Options{
		Log: m.log, Keeper: m.keeper.ForListeners(), LastID: lastID, Siblings: m.opts.App.Capture == config.CaptureAuto,
	}
}

// useListeners makes the sockets, and reports repairs of listeners. Wanted are the listeners that
// stay open however a roll ends.
func (m *maker) useListeners(set *listeners.Set, wanted []config.Listen) {
	m.listeners = generations.NewSockets(set, m.opts.Places, m.opts.App.Name, wanted)
	mender{&m.announcer, m.tended, m.later.Go, m.log}.follow(set)
}
