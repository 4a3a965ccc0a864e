package master

import (
	"os"

	"relevo/internal/keeper"
	"relevo/pool"
	"relevo/systemd"
	"relevo/upgrader/listeners"
)

// openKeeper has systemd keep what the next master needs, if the unit allows it.
func (m *Master) openKeeper() {
	m.systemd = systemd.NewNotifier(os.Getenv, func(err error) { m.log.Warn("cannot notify systemd", "err", err) })
	m.keeper = keeper.Open(keeper.Options{
		Log: m.log, Notifier: m.systemd, Getenv: os.Getenv, Arrival: m.opts.Arrival,
		State: func(l pool.Legacy) ([]byte, error) {
			text, _, err := estate{m}.document(l, "")
			return text, err
		},
	})
}

// retainListeners leaves the addresses with systemd at the end of the app, in case this is a
// restart. If it is a stop, systemd closes them. Unix sockets are not kept, because their files go
// with this master.
func (m *Master) retainListeners() {
	all, _ := m.listeners.Set.Legacy()
	var names []string
	l := estate{m}.state()
	l.Stopped = true
	for _, listener := range all {
		if listener.Unix == nil && !listener.Lent && !listener.Retiring {
			names = append(names, listeners.FileName(listener.ID))
		}
	}
	m.report(m.keeper.Retain(l, names))
}
