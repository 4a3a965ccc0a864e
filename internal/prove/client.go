package prove

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readBuffer bounds the length of a header line; most answers arrive with one read.
	readBuffer = 16 << 10
	// inlineRequest is how much is written before reading begins. With more, both directions could
	// fill up if a server answers before it has read the body.
	inlineRequest = 16 << 10

	dialPause  = time.Millisecond      // without it, a closed port would be dialed 50,000 times a second
	limitPause = 20 * time.Millisecond // for ports to come free
)

var longAgo = time.Unix(1, 0)

// client is one closed loop: it sends, reads the whole answer, and sends again.
type client struct {
	*load
	mode    Connections
	request []byte
	turn    int // picks the source address
	tally   tally
	br      *bufio.Reader
	via     carrier // nil: HTTP/1.1, on a connection of its own
	open    connection

	mu      sync.Mutex // guards the two below: abort comes from outside
	raw     net.Conn
	aborted bool
}

// connection is the open connection of a client; conn is nil if it has none.
type connection struct {
	conn, raw net.Conn
	dialed    time.Time // when its dial began; no server knew of it earlier
	served    int       // complete answers on it
	peer      peer      // of a carrier's connection, kept because that may be closed when the peer is needed
}

// tally counts the results of a client's requests. Only the client writes it. The counters may be
// read at any time, the histogram after the client has ended.
type tally struct {
	ok, held    atomic.Int64
	unprocessed atomic.Int64
	lost        [classes]atomic.Int64
	connections atomic.Int64
	latency     histogram
}

func newClient(l *load, mode Connections, turn int) *client {
	c := &client{load: l, mode: mode, turn: turn, request: l.endpoint.request[mode]}
	switch mode {
	case HTTP2:
		c.via = &streamCarrier{c, l.streams}
	case WebSocket:
		c.via = &messageCarrier{client: c, id: turn}
	default:
		c.br = bufio.NewReaderSize(nil, readBuffer)
	}
	return c
}

// run sends requests until the load is told to stop, and then finishes the current one. When ctx
// ends, abort cuts that one short.
func (c *client) run(ctx context.Context) {
	defer c.hangUp(true)
	defer c.settle(ctx)
	for !c.stopping() {
		c.once(ctx, time.Now())
		if c.options.Pause > 0 {
			c.pause(c.options.Pause)
		}
	}
}

// once sends one request and counts its result, and how long it took since start.
func (c *client) once(ctx context.Context, start time.Time) {
	now := time.Now()
	deadline := now.Add(c.options.Timeout)
	if c.via != nil {
		c.carried(ctx, start, deadline)
		return
	}
	if c.open.conn == nil {
		if err := c.dial(ctx, now, deadline); err != nil {
			c.failed(ctx, start, classifyDial(c.endpoint.network, err), err)
			return
		}
	}
	a, err := c.exchange(deadline)
	if err != nil {
		c.failed(ctx, start, classify(err), err)
		return
	}
	c.answered(start, a)
}

func (c *client) dial(ctx context.Context, start, deadline time.Time) error {
	c.turn++
	conn, raw, err := c.endpoint.dial(ctx, deadline, c.turn)
	if err != nil {
		return err
	}
	c.tally.connections.Add(1)
	c.open = connection{conn: conn, raw: raw, dialed: start}
	c.br.Reset(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = raw
	if c.aborted {
		_ = raw.Close()
	}
	return nil
}

// abort ends the current request, and every later one at once.
func (c *client) abort() {
	if c.via != nil {
		c.via.abort()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.raw != nil {
		_ = c.raw.Close()
	}
}

// exchange sends the request and reads the answer to its end. A complete answer counts even if
// sending failed, because it may have arrived earlier.
func (c *client) exchange(deadline time.Time) (answer, error) {
	conn := c.open.conn
	if err := conn.SetDeadline(deadline); err != nil {
		return answer{}, err
	}
	if len(c.request) > inlineRequest {
		return c.exchangeLarge(conn)
	}
	_, sendErr := conn.Write(c.request)
	a, err := readAnswer(c.br, c.endpoint.head)
	a.close = a.close || sendErr != nil
	return a, worse(err, sendErr)
}

// exchangeLarge sends and reads at the same time.
func (c *client) exchangeLarge(conn net.Conn) (answer, error) {
	sent := make(chan error, 1) // with room, so that the sender ends even if no one receives
	go func() {
		_, err := conn.Write(c.request)
		sent <- err
	}()
	a, err := readAnswer(c.br, c.endpoint.head)
	var sendErr error
	select {
	case sendErr = <-sent:
	default:
		// The answer, or an error, arrived before everything was sent. No reader is left for the
		// rest.
		_ = c.open.raw.SetWriteDeadline(longAgo)
		if sendErr = <-sent; classify(sendErr) == timedOut {
			a.close, sendErr = true, nil
		}
	}
	a.close = a.close || sendErr != nil
	return a, worse(err, sendErr)
}

// worse joins the errors of reading and sending. Linux reports a RST once: if sending gets it,
// reading only sees the end of the stream, so the error of sending counts.
func worse(readErr, sendErr error) error {
	if readErr == nil || sendErr == nil {
		return readErr
	}
	if classify(readErr) == eof && classify(sendErr) == reset {
		return sendErr
	}
	return fmt.Errorf("%w; sending: %w", readErr, sendErr)
}

const errTrailing = malformed("bytes after its end")

// statusError is a complete answer with an unexpected status.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("status %d", int(s)) }

// answered counts a complete answer.
func (c *client) answered(start time.Time, a answer) {
	end := time.Now()
	c.gaps.answer(end.Sub(c.started))
	closing := a.close || c.mode == Fresh
	trailing := !closing && c.via == nil && c.br.Buffered() > 0
	switch {
	case trailing:
		c.lost(start, end, other, errTrailing)
	case c.options.expected(a.status):
		c.tally.ok.Add(1)
		c.tally.latency.add(end.Sub(start))
	case a.status/100 == 5:
		c.lost(start, end, status5xx, statusError(a.status))
	default:
		c.lost(start, end, other, statusError(a.status))
	}
	c.open.served++
	if closing || trailing {
		c.hangUp(!trailing)
	}
}

// failed counts a request without a complete answer.
func (c *client) failed(ctx context.Context, start time.Time, cl class, err error) {
	if ctx.Err() != nil { // cut short by the prover: neither sent nor lost
		c.hangUp(false)
		return
	}
	end := time.Now()
	switch {
	case cl.ours():
		c.tally.lost[cl].Add(1)
	case cl.broken() && c.open.conn != nil && c.holds(end):
		c.tally.held.Add(1)
	default:
		c.lost(start, end, cl, err)
	}
	switch {
	case cl.ours():
		c.pause(limitPause)
	case c.open.conn == nil:
		c.pause(dialPause)
	}
	c.hangUp(false)
}

// holds says whether a killed worker held the open connection.
func (c *client) holds(failed time.Time) bool {
	p := c.open.peer
	if c.via == nil {
		p = peerOf(c.open.raw)
	}
	return c.ledger.explains(p, c.open.dialed, failed)
}

func (c *client) lost(start, end time.Time, cl class, err error) {
	c.tally.lost[cl].Add(1)
	if c.via == nil {
		err = inWords(err)
	}
	c.samples.add(func() Sample {
		s := Sample{
			At:          Millis(end.Sub(c.started)),
			Connections: c.mode,
			Class:       cl.String(),
			Error:       err.Error(),
			Took:        Millis(end.Sub(start)),
			Served:      c.open.served,
		}
		if c.open.conn != nil {
			s.ConnectionAge = Millis(end.Sub(c.open.dialed))
			s.Local = c.open.raw.LocalAddr().String()
		}
		return s
	})
}

// inWords describes what an unexpected end means for a client.
func inWords(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed within the answer")
	case errors.Is(err, io.EOF):
		return errors.New("the connection was closed without an answer")
	}
	return err
}

// hangUp closes the connection: with TLS's close_notify, or at once.
func (c *client) hangUp(politely bool) {
	if c.via != nil {
		c.via.hangUp(politely)
		c.open = connection{}
		return
	}
	if c.open.conn == nil {
		return
	}
	c.mu.Lock()
	c.raw = nil
	c.mu.Unlock()
	if politely && c.open.conn != c.open.raw {
		_ = c.open.conn.Close()
	}
	_ = c.open.raw.Close()
	c.open = connection{}
	c.br.Reset(nil)
}
