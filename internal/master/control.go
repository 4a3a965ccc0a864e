package master

import (
	"path/filepath"

	"relevo/internal/control"
	"relevo/internal/diskspace"
	"relevo/internal/metrics"
)

func (m *Master) openControl() (err error) {
	if m.control != nil {
		return nil // awaitFirst has opened it
	}
	path := m.controlPath()
	if a := m.opts.Arrival; a != nil && a.In != nil {
		if socket, err := a.In.File(controlFile); err == nil {
			if m.control, err = control.TakeOver(socket, path, m, m.log); err == nil || a.Way.Reversible() || a.Checks {
				return err
			}
			// No previous master could keep running instead.
			m.log.Warn("cannot take over the control socket: a new one is opened", "err", err)
		}
	}
	m.control, err = control.Listen(path, m, m.log)
	return diskspace.Detail(filepath.Dir(path), err)
}

// serveControl answers clients from now on.
func (m *Master) serveControl() {
	if !m.answers {
		m.answers = true
		server := m.control
		server.Handle("GET /v1/metrics", metrics.Handler(m.Status))
		m.later.Go(func() { m.report(server.Serve()) })
	}
}
