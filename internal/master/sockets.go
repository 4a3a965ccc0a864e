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

// upgraderOptions are those of a cold start and of a take-over. lastID is the highest of a
// listener that another master may have left.
func (m *maker) upgraderOptions(lastID int) upgrader.Options {
	return upgrader.Options{
		Log: m.log, Keeper: m.keeper.ForListeners(), LastID: lastID, Siblings: m.opts.App.Capture == config.CaptureAuto,
	}
}

// useUpgrader sees to it that damage to listeners is told. Wanted are the listeners that are
// kept whatever becomes of a roll.
func (m *maker) useUpgrader(up *upgrader.Upgrader, wanted []config.Listen) {
	m.listeners = generations.NewSockets(up, m.opts.Places, m.opts.App.Name, wanted)
	mender{&m.announcer, m.tended, m.later.Go, m.log}.follow(up)
}
