package prove

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// messageCarrier is one WebSocket client: it sends a numbered message, and waits for its echo.
type messageCarrier struct {
	*client
	id     int            // distinguishes the messages of the clients
	socket *messageSocket // nil: none is open
	number int
	gone   time.Time // when the last socket ended; zero: another one has served since

	mu      sync.Mutex // guards the two below: abort comes from outside
	raw     net.Conn
	aborted bool
}

// exchange sends one message and waits for the echo. A socket that has ended since the last one is
// replaced first if its end was in order; else the message is lost.
func (m *messageCarrier) exchange(ctx context.Context, deadline time.Time) (answer, connection, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if open, err := m.broken(); err != nil {
		return answer{}, open, err
	}
	if m.socket == nil {
		if open, err := m.connect(ctx, deadline); err != nil {
			return answer{}, open, err
		}
	}
	s := m.socket
	open := s.connection
	m.number++
	message := fmt.Sprintf("relevo prove %d/%d.", m.id, m.number)
	err := s.send(ctx, message)
	switch {
	case err == nil:
		s.served++
		m.again()
	case s.over():
		err = m.part()
	}
	return answer{status: http.StatusOK, body: int64(len(message))}, open, err
}

// again records how long the client had no socket that serves.
func (m *messageCarrier) again() {
	if !m.gone.IsZero() {
		m.closes.again(time.Since(m.gone))
		m.gone = time.Time{}
	}
}

// broken drops the socket if it has ended. The error is nil if a close frame has ended it.
func (m *messageCarrier) broken() (open connection, err error) {
	if m.socket == nil || !m.socket.over() {
		return connection{}, nil
	}
	open = m.socket.connection
	if err = m.part(); errors.Is(err, errMetClose) {
		err = nil
	}
	return open, err
}

// part counts how a socket has ended, and returns what that means for a message without an echo.
func (m *messageCarrier) part() error {
	err := m.socket.err
	code := websocket.CloseStatus(err)
	m.closes.ended(code)
	m.gone = time.Now()
	m.socket = nil
	if code == noCode {
		return fmt.Errorf("the WebSocket ended without a close frame: %w", err)
	}
	return fmt.Errorf("%w: code %d", errMetClose, int(code))
}

// connect opens a WebSocket.
func (m *messageCarrier) connect(ctx context.Context, deadline time.Time) (connection, error) {
	m.turn++
	open, err := m.endpoint.connect(ctx, deadline, m.turn)
	if err != nil {
		return open, err
	}
	m.tally.connections.Add(1)
	m.watch(open.raw)
	ws, err := m.upgrade(ctx, open.conn)
	if err != nil {
		_ = open.raw.Close()
		return open, fmt.Errorf("cannot open a WebSocket: %w", err)
	}
	m.socket = newMessageSocket(ws, open)
	return open, nil
}

// watch makes abort close this connection.
func (m *messageCarrier) watch(raw net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raw = raw
	if m.aborted {
		_ = raw.Close()
	}
}

// upgrade makes the handshake on a connection.
func (m *messageCarrier) upgrade(ctx context.Context, conn net.Conn) (*websocket.Conn, error) {
	t := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer t.CloseIdleConnections()
	headers := m.options.Headers.Clone()
	host := headers.Get("Host")
	headers.Del("Host")
	ws, resp, err := websocket.Dial(ctx, "http://"+m.endpoint.target.Host+m.endpoint.target.RequestURI(),
		&websocket.DialOptions{Host: host, HTTPHeader: headers, HTTPClient: &http.Client{Transport: t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}})
	if err != nil && resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, statusError(resp.StatusCode)
	}
	return ws, err
}

// hangUp sends a close frame with the code 1000, or closes at once.
func (m *messageCarrier) hangUp(politely bool) {
	if m.socket == nil {
		return
	}
	m.socket.close(politely)
	m.socket = nil
}

func (m *messageCarrier) abort() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.aborted = true
	if m.raw != nil {
		_ = m.raw.Close()
	}
}
