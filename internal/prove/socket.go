package prove

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/coder/websocket"
)

// messageSocket is an open WebSocket. It is read all the time, so that its end is seen at once.
type messageSocket struct {
	connection
	ws     *websocket.Conn
	wanted atomic.Pointer[string]
	echo   chan struct{} // receives a value when the echo has come; its buffer keeps the reader from blocking
	ended  chan struct{} // closed when the socket has ended, and err is set
	err    error
}

func newMessageSocket(ws *websocket.Conn, open connection) *messageSocket {
	const largest = 1 << 20
	s := &messageSocket{connection: open, ws: ws, echo: make(chan struct{}, 1), ended: make(chan struct{})}
	ws.SetReadLimit(largest)
	go s.read()
	return s
}

// read reads until the socket ends. It reports the echo, and skips other messages, such as greetings.
func (s *messageSocket) read() {
	defer close(s.ended)
	for {
		_, data, err := s.ws.Read(context.Background())
		if err != nil {
			s.err = err
			_ = s.ws.CloseNow()
			return
		}
		if wanted := s.wanted.Load(); wanted != nil && strings.Contains(string(data), *wanted) {
			s.wanted.Store(nil)
			s.echo <- struct{}{}
		}
	}
}

// send sends a message and waits for its echo. After an error of the write the reader finds out why.
func (s *messageSocket) send(ctx context.Context, message string) error {
	s.wanted.Store(&message)
	_ = s.ws.Write(ctx, websocket.MessageText, []byte(message))
	select {
	case <-s.echo:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
	}
	select {
	case <-s.echo:
		return nil
	default:
		return s.err
	}
}

// over says whether the socket has ended.
func (s *messageSocket) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *messageSocket) close(politely bool) {
	if politely {
		_ = s.ws.Close(websocket.StatusNormalClosure, "")
	}
	_ = s.ws.CloseNow()
	<-s.ended
}
