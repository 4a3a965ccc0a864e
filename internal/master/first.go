package master

import (
	"context"

	"relevo/pool"
)

// awaitFirst waits until there is something to start. The sockets are open: clients that connect
// are served once a worker is ready.
func (m *Master) awaitFirst() error {
	if m.opts.Attach != nil {
		if err := m.opts.Attach(m); err != nil {
			return err
		}
	}
	if m.opts.Await == nil {
		return nil
	}
	m.stage.use(pool.Ended())
	ctx, cancel := context.WithCancel(context.Background())
	m.stage.await(cancel) // before the control socket answers requests
	if err := m.openControl(); err != nil {
		return err
	}
	m.serveControl()
	m.box.hear(true)
	defer m.box.hear(false)
	return m.await(ctx, cancel, nil)
}
