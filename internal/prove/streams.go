package prove

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"relevo/internal/prove/h2conn"
)

const (
	http2Protocol = "h2"
	// http2Connections is how many connections all streams share, as a browser's or a proxy's do.
	http2Connections = 4
)

// streamPool has the connections of HTTP/2 that the clients of a load share.
type streamPool struct {
	*load
	slots [http2Connections]streamSlot

	mu      sync.Mutex
	open    map[*streamConn]bool
	aborted bool
	wg      sync.WaitGroup // the connections that are open
}

// streamSlot has the connection that new streams of its clients go to.
type streamSlot struct {
	mu    sync.Mutex // held during a dial, for which the other clients wait
	conn  *streamConn
	dials int
}

// streamConn is one connection.
type streamConn struct {
	*h2conn.Conn
	connection
	answers atomic.Int64
}

func newStreamPool(l *load) *streamPool {
	return &streamPool{load: l, open: make(map[*streamConn]bool)}
}

// connect returns a connection that takes streams. It opens a new one if the slot's connection has
// ended, or has received a GOAWAY.
func (p *streamPool) connect(ctx context.Context, c *client, deadline time.Time) (*streamConn, connection, error) {
	slot := &p.slots[c.turn%http2Connections]
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.conn != nil && slot.conn.Takes() {
		return slot.conn, slot.conn.connection, nil
	}
	slot.dials++
	open, err := p.endpoint.connect(ctx, deadline, slot.dials*http2Connections+c.turn)
	if err == nil {
		err = spoken(open)
	}
	if err != nil {
		return nil, open, err
	}
	c.tally.connections.Add(1)
	slot.conn = &streamConn{Conn: h2conn.New(open.conn, p.options.Timeout), connection: open}
	p.run(slot.conn)
	return slot.conn, open, nil
}

// spoken makes sure that the TLS handshake has agreed on HTTP/2.
func spoken(open connection) error {
	t, ok := open.conn.(*tls.Conn)
	if !ok || t.ConnectionState().NegotiatedProtocol == http2Protocol {
		return nil
	}
	_ = open.raw.Close()
	return errors.New("the server does not speak HTTP/2 over TLS: it does not agree to the protocol h2")
}

func (p *streamPool) run(s *streamConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[s] = true
	if p.aborted {
		s.Close()
	}
	p.wg.Go(func() {
		s.Run()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, s)
	})
}

// abort ends all connections, and those that are opened later.
func (p *streamPool) abort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aborted = true
	for s := range p.open {
		s.Close()
	}
}

// end closes the connections when no client is left.
func (p *streamPool) end() {
	if p == nil {
		return
	}
	p.abort()
	p.wg.Wait()
}

// streamCarrier sends each request of a client as a stream.
type streamCarrier struct {
	*client
	pool *streamPool
}

func (s *streamCarrier) exchange(ctx context.Context, deadline time.Time) (answer, connection, error) {
	for {
		conn, open, err := s.pool.connect(ctx, s.client, deadline)
		if err != nil {
			return answer{}, open, err
		}
		a, err := conn.Do(s.request, deadline)
		if errors.Is(err, h2conn.ErrTakesNone) && ctx.Err() == nil { // nothing was sent
			continue
		}
		open.served = int(conn.answers.Load())
		if err == nil {
			conn.answers.Add(1)
		}
		return answer{status: a.Status, body: a.Body}, open, err
	}
}

// broken returns nil: if a shared connection breaks, its streams return the error.
func (s *streamCarrier) broken() (connection, error) { return connection{}, nil }

// hangUp does nothing: other clients use the connection, and the pool closes it at the end.
func (s *streamCarrier) hangUp(bool) {}

func (s *streamCarrier) abort() { s.pool.abort() }

// streamHeader is the header of the request.
func streamHeader(o Options, u *url.URL) ([]byte, error) {
	req, err := http.NewRequest(o.Method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	fields := []h2conn.Field{{Name: ":method", Value: req.Method}, {Name: ":scheme", Value: u.Scheme},
		{Name: ":authority", Value: cmp.Or(o.Headers.Get("Host"), req.Host)}, {Name: ":path", Value: u.RequestURI()}}
	if o.Headers.Get("User-Agent") == "" {
		fields = append(fields, h2conn.Field{Name: "user-agent", Value: "prove"})
	}
	for name, values := range o.Headers {
		if name = strings.ToLower(name); name == "host" {
			continue
		}
		for _, value := range values {
			fields = append(fields, h2conn.Field{Name: name, Value: value})
		}
	}
	return h2conn.Block(fields)
}
