package master

import (
	"os"
	"slices"
	"time"

	"relevo/internal/control"
)

// Status is the state of the master and its workers: control.Master.
func (m *Master) Status() (control.Status, error) {
	defer m.worked()
	if m.unready() {
		return m.waitingStatus(), nil
	}
	status, err := m.running().Status()
	if m.another(err) {
		return m.waitingStatus(), nil
	}
	if err != nil {
		return control.Status{}, err
	}
	now := m.serving()
	s := control.Status{
		Name: m.opts.App.Name, PID: os.Getpid(), Version: m.opts.Version, Build: m.opts.Build,
		Listeners: now.Bound(),
		Config:    m.opts.ConfigFile, Warnings: slices.Concat(m.announcer.Warnings.List(), m.listeners.Set.Lost(),
			m.lostDirectories(), now.Hints()), Status: status,
		Started: m.begun, Successions: m.successions, UpgradeFailed: m.succession.LastFailure(),
		FailedUpgrades: m.succession.Failures(), Metrics: m.metrics.Legacy().Served,
	}
	m.health.Describe(&s)
	m.scaler.Describe(&s)
	s.NextRoll = m.clock().next(status, time.Now())
	return s, nil
}
