package master

import (
	"errors"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/upgrader"
)

func (m *maker) openListeners() error {
	m.useUpgrader(upgrader.New(m.upgraderOptions(upgrader.LastListenerFile(m.keeper.Names()))), m.opts.App.Listen)
	m.listeners.Upgrader.Activate(m.opts.Arrival.Activated())
	sockets, err := m.listeners.Acquire(m.opts.App.Listen)
	if errors.Is(err, upgrader.ErrUnclaimed) {
		err = control.WithExit(err, control.ExitConfig)
	}
	m.boot.sockets = sockets
	return m.strays().explain(err)
}

// upgraderOptions are the options for a cold start and for a take-over. lastID is the highest id of
// a listener that another master may have left.
func (m *maker) upgraderOptions(lastID int) upgrader.Options {
	return upgrader.Options{
		Log: m.log, Keeper: m.keeper.ForListeners(), LastID: lastID, Siblings: m.opts.App.Capture == config.CaptureAuto,
	}
}

// useUpgrader makes the sockets, and reports repairs of listeners. Wanted are the listeners that
// stay open however a roll ends.
func (m *maker) useUpgrader(up *upgrader.Upgrader, wanted []config.Listen) {
	m.listeners = generations.NewSockets(up, m.opts.Places, m.opts.App.Name, wanted)
	mender{&m.announcer, m.tended, m.later.Go, m.log}.follow(up)
}
