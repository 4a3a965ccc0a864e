package prove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// check makes sure, before the load begins, that the target answers a request and has a serving
// worker. It chooses the address of the load. why is the reason why the connections of workers
// cannot be listed; it is empty if they can be listed, or if no worker will be killed.
func (l *load) check(ctx context.Context) (why string, err error) {
	if l.options.Target != nil {
		workers, err := l.options.Target.Workers(ctx)
		if err != nil {
			return "", fmt.Errorf("cannot prove %s: its master does not list its workers: %w", l.options.URL, err)
		}
		if !slices.ContainsFunc(workers, func(w Worker) bool { return w.State == Serving }) {
			return "", fmt.Errorf("cannot prove %s: none of its %d workers is serving: wait until one is ready", l.options.URL,
				len(workers))
		}
	}
	all, err := l.endpoint.addresses(ctx)
	if err != nil {
		return "", err
	}
	var failed several
	for _, remote := range all {
		l.endpoint.use(remote)
		if why, err = l.firstRequest(ctx); err == nil {
			return why, nil
		}
		failed = append(failed, err)
	}
	return "", fmt.Errorf("cannot prove %s: no answer to a first request: %w: %s", l.options.URL, failed,
		remedy(l.options.Connections, failed))
}

// remedy says what to do after a first request without an answer. A server that was reached, and
// does not speak the protocol, has been started.
func remedy(how Connections, err error) string {
	var op *net.OpError
	if how != HTTP2 && how != WebSocket || errors.As(err, &op) {
		return "start the app, or correct the URL"
	}
	return fmt.Sprintf("correct the URL, or leave --%s out", how)
}

// firstRequest sends one request, which is not counted. With Kill it pauses halfway: then the
// worker that has accepted the connection must be found.
func (l *load) firstRequest(ctx context.Context) (why string, err error) {
	c := newClient(l, l.options.Connections.modes()[0], 0)
	if l.streams != nil { // the load is to open connections of its own
		pool := newStreamPool(l)
		defer pool.end()
		c.via = &streamCarrier{c, pool}
	}
	defer c.hangUp(true)
	defer context.AfterFunc(ctx, c.abort)()
	start := time.Now()
	if c.via != nil {
		return l.firstCarried(ctx, c, start.Add(l.options.Timeout))
	}
	if err := c.dial(ctx, start, start.Add(l.options.Timeout)); err != nil {
		return "", err
	}
	if l.options.Kill {
		half := min(len(c.request)/2, inlineRequest)
		if err := c.open.conn.SetDeadline(start.Add(l.options.Timeout)); err != nil {
			return "", err
		}
		if _, err := c.open.conn.Write(c.request[:half]); err != nil {
			return "", err
		}
		c.request = c.request[half:]
		why = l.findOwner(ctx, peerOf(c.open.raw))
	}
	_, err = c.exchange(time.Now().Add(l.options.Timeout))
	return why, err
}

// firstCarried is the first request of HTTP/2 or of a WebSocket, whose connection stays open.
func (l *load) firstCarried(ctx context.Context, c *client, deadline time.Time) (why string, err error) {
	_, open, err := c.via.exchange(ctx, deadline)
	if err == nil && l.options.Kill {
		why = l.findOwner(ctx, open.peer)
	}
	return why, err
}

// findOwner looks for the worker that holds a connection. If it finds none it returns the reason.
func (l *load) findOwner(ctx context.Context, p peer) string {
	const (
		often = 10 * time.Millisecond
		bound = 2 * time.Second
	)
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	t := time.NewTicker(often)
	defer t.Stop()
	for {
		workers, err := l.options.Target.Workers(ctx)
		for _, w := range workers {
			held, unreadable := holdings(l.endpoint.network, w.PID)
			if _, ok := held[p]; ok {
				return ""
			}
			err = cmp.Or(err, unreadable)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			if err != nil {
				return err.Error()
			}
			return "no worker holds a connection of the prover: a proxy may stand between them, or a namespace"
		}
	}
}
