package master

import (
	"context"

	"relevo/pool"
)

// awaitFirst waits until there is something to start. The sockets are open: who
// connects is served when it has come up.
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
	m.stage.await(cancel) // before anybody can ask
	if err := m.openControl(); err != nil {
		return err
	}
	m.serveControl()
	m.box.hear(true)
	defer m.box.hear(false)
	return m.await(ctx, cancel, nil)
}
