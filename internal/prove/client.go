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
	// readBuffer holds the longest header line that is understood; most answers
	// come with one read.
	readBuffer = 16 << 10
	// inlineRequest is what is written before reading begins. More would let a
	// server that answers before it has read the body fill both directions.
	inlineRequest = 16 << 10

	dialPause  = time.Millisecond      // else a closed door is knocked at 50,000 times a second
	limitPause = 20 * time.Millisecond // for ports to come free
)

var longAgo = time.Unix(1, 0)

// client is one closed loop: it sends, reads the whole answer, sends again.
type client struct {
	*load
	mode    Connections
	request []byte
	turn    int // picks the source address
	tally   tally
	br      *bufio.Reader
	open    connection

	mu      sync.Mutex // guards the two below: abort comes from outside
	raw     net.Conn
	aborted bool
}

// connection is the one that a client has open; conn is nil where it has none.
type connection struct {
	conn, raw net.Conn
	dialed    time.Time // when its dial began: no server knew it before
	served    int       // complete answers on it
}

// tally is what became of a client's requests. Only the client writes it; the
// counters may be read at any time, the histogram after the client's end.
type tally struct {
	ok, held    atomic.Int64
	lost        [classes]atomic.Int64
	connections atomic.Int64
	latency     histogram
}

func newClient(l *load, mode Connections, turn int) *client {
	return &client{
		load: l, mode: mode, turn: turn,
		request: l.endpoint.request[mode],
		br:      bufio.NewReaderSize(nil, readBuffer),
	}
}

// run sends requests until the load is told to stop, and then finishes the one
// it is at; when ctx ends, abort cuts that one short.
func (c *client) run(ctx context.Context) {
	defer c.hangUp(true)
	for !c.stopping() {
		c.once(ctx)
	}
}

// once sends one request and notes what became of it.
func (c *client) once(ctx context.Context) {
	start := time.Now()
	deadline := start.Add(c.options.Timeout)
	if c.open.conn == nil {
		if err := c.dial(ctx, start, deadline); err != nil {
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

// abort ends the request that is under way, and every later one at once.
func (c *client) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.raw != nil {
		_ = c.raw.Close()
	}
}

// exchange sends the request and reads the answer to its end. Whatever happens to
// the sending: a complete answer counts, since it may have come first.
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
	sent := make(chan error, 1) // so that the sender ends whether or not it is asked
	go func() {
		_, err := conn.Write(c.request)
		sent <- err
	}()
	a, err := readAnswer(c.br, c.endpoint.head)
	var sendErr error
	select {
	case sendErr = <-sent:
	default:
		// Answered, or failed, before all was sent: the rest has no reader.
		_ = c.open.raw.SetWriteDeadline(longAgo)
		if sendErr = <-sent; classify(sendErr) == timedOut {
			a.close, sendErr = true, nil
		}
	}
	a.close = a.close || sendErr != nil
	return a, worse(err, sendErr)
}

// worse joins the errors of reading and sending. Linux reports a RST once: where
// the sending met it, the reading sees a mere end, so the sending's error counts.
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

// statusError is a complete answer with a status that was not expected.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("status %d", int(s)) }

// answered notes a complete answer.
func (c *client) answered(start time.Time, a answer) {
	end := time.Now()
	c.gaps.answer(end.Sub(c.started))
	closing := a.close || c.mode == Fresh
	trailing := !closing && c.br.Buffered() > 0
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

// failed notes a request without a complete answer.
func (c *client) failed(ctx context.Context, start time.Time, cl class, err error) {
	if ctx.Err() != nil { // cut by us: neither sent nor lost
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

// holds tells whether a killed worker held the open connection.
func (c *client) holds(failed time.Time) bool {
	return c.ledger.explains(peerOf(c.open.raw), c.open.dialed, failed)
}

func (c *client) lost(start, end time.Time, cl class, err error) {
	c.tally.lost[cl].Add(1)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the connection was closed within the answer")
	case errors.Is(err, io.EOF):
		err = errors.New("the connection was closed without an answer")
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

// hangUp closes the connection: with TLS's good-bye, or at once.
func (c *client) hangUp(politely bool) {
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
