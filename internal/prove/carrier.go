package prove

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"relevo/internal/prove/h2conn"
)

// carrier is how a client sends what is not HTTP/1.1.
type carrier interface {
	// exchange sends one request and returns its answer, or why there is none. open is the connection,
	// if one could be opened.
	exchange(ctx context.Context, deadline time.Time) (a answer, open connection, err error)
	// broken returns an error if the connection has ended out of order since the last request.
	broken() (connection, error)
	// hangUp closes the connection if the client alone uses it.
	hangUp(politely bool)
	// abort ends the current request, and every later one at once.
	abort()
}

// errMetClose is the result of a message to a WebSocket that the server has closed by a close frame.
var errMetClose = errors.New("the WebSocket was closed before the echo")

// unprocessed says that the protocol tells a client that a request was not processed.
func unprocessed(err error) bool {
	return errors.Is(err, h2conn.ErrUnprocessed) || errors.Is(err, errMetClose)
}

// carried sends one request and counts its result.
func (c *client) carried(ctx context.Context, start, deadline time.Time) {
	a, open, err := c.via.exchange(ctx, deadline)
	c.open = open
	switch {
	case err == nil:
		c.answered(start, a)
	case ctx.Err() == nil && unprocessed(err):
		c.tally.unprocessed.Add(1)
	case open.conn == nil:
		c.failed(ctx, start, classifyDial(c.endpoint.network, err), err)
	default:
		c.failed(ctx, start, classify(err), err)
	}
	c.open = connection{}
}

// settle counts a connection that broke after the client's last request.
func (c *client) settle(ctx context.Context) {
	if c.via == nil || ctx.Err() != nil {
		return
	}
	open, err := c.via.broken()
	if err == nil {
		return
	}
	c.open = open
	c.failed(ctx, time.Now(), classify(err), err)
}

// connect opens a connection and makes the TLS handshake, too, if there is TLS. After an error of the
// handshake it returns the connection, closed.
func (e *endpoint) connect(ctx context.Context, deadline time.Time, turn int) (connection, error) {
	began := time.Now()
	conn, raw, err := e.dial(ctx, deadline, turn)
	if err != nil {
		return connection{}, err
	}
	open := connection{conn: conn, raw: raw, dialed: began, peer: peerOf(raw)}
	t, ok := conn.(*tls.Conn)
	if !ok {
		return open, nil
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return open, err
	}
	return open, nil
}
