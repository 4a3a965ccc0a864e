package prove

import (
	"context"
	"time"
)

// mostClients bounds the requests of an open loop that are under way at a time, for each connection
// mode. Further requests that are due wait, and their wait counts as latency.
const mostClients = 4096

// pace sends the requests of a mode by schedule, whatever the answers take: a request that is due
// goes to an idle client, or to another one. Its latency is measured from when it was due.
func (l *load) pace(ctx context.Context, mode Connections) {
	planned := make(chan time.Time) // closed at the end of the load, which ends the clients
	defer close(planned)
	clients := 0
	for n := int64(0); ; n++ {
		due := l.started.Add(time.Duration(n * int64(time.Second) / int64(l.options.Rate)))
		l.pause(time.Until(due))
		if l.stopping() {
			return
		}
		select {
		case planned <- due:
			continue
		default:
		}
		if clients < l.most {
			c := l.another(mode, clients)
			clients++
			l.wg.Go(func() { c.paced(ctx, due, planned) })
			continue
		}
		select {
		case planned <- due:
		case <-l.stop:
			return
		}
	}
}

// another adds a client to the load. If the load was aborted, so is the client, at once.
func (l *load) another(mode Connections, turn int) *client {
	c := newClient(l, mode, turn)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clients = append(l.clients, c)
	if l.aborted {
		c.abort()
	}
	return c
}

// all returns the present clients.
func (l *load) all() []*client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clients[:len(l.clients):len(l.clients)]
}

// abort cuts the current requests of all clients short.
func (l *load) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.aborted = true
	for _, c := range l.clients {
		c.abort()
	}
}

// paced sends a request at each planned time.
func (c *client) paced(ctx context.Context, first time.Time, planned <-chan time.Time) {
	defer c.hangUp(true)
	defer c.settle(ctx)
	c.once(ctx, first)
	for due := range planned {
		c.once(ctx, due)
	}
}
