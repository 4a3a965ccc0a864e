package prove

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// echoServer echoes messages. The function each may do something else with a message; if it
// returns false, the socket ends.
type echoServer struct {
	*httptest.Server
	handshakes, messages atomic.Int64

	mu   sync.Mutex
	open map[*websocket.Conn]bool
}

func newEchoServer(t *testing.T, each func(e *echoServer, ws *websocket.Conn, n int64) bool) *echoServer {
	t.Helper()
	e := &echoServer{open: make(map[*websocket.Conn]bool)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.handshakes.Add(1)
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		e.serve(r.Context(), ws, each)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *echoServer) serve(ctx context.Context, ws *websocket.Conn,
	each func(*echoServer, *websocket.Conn, int64) bool) {
	e.mu.Lock()
	e.open[ws] = true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.open, ws)
		_ = ws.CloseNow()
	}()
	_ = ws.Write(ctx, websocket.MessageText, []byte("welcome"))
	for {
		kind, data, err := ws.Read(ctx)
		if err != nil {
			return
		}
		if n := e.messages.Add(1); n > 1 && each != nil && !each(e, ws, n) {
			return
		}
		_ = ws.Write(ctx, kind, data)
	}
}

// closeAll ends all sockets by a code.
func (e *echoServer) closeAll(code websocket.StatusCode) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for ws := range e.open {
		go func() { _ = ws.Close(code, "") }()
	}
}

// TestWebSocket: each client has one socket, and each message an echo; greetings are skipped.
func TestWebSocket(t *testing.T) {
	e := newEchoServer(t, nil)
	for _, url := range []string{e.URL, strings.Replace(e.URL, "http", "ws", 1)} {
		r := prove(t, Options{URL: url, Connections: WebSocket, Clients: 3, MinRequests: 100, Duration: time.Millisecond})
		if r.WebSocket == nil || r.WebSocket.Connections != 3 || r.Lost() != 0 || r.WebSocket.OK < 100 ||
			r.Closes.String() != "none" {
			t.Errorf("%+v %+v", r.WebSocket, r.Closes)
		}
	}
	r := prove(t, Options{URL: e.URL, Connections: WebSocket, Rate: 200, MinRequests: 20, Duration: time.Millisecond})
	if r.WebSocket.OK < 20 || r.Lost() != 0 {
		t.Errorf("by schedule: %+v", r.WebSocket)
	}
}

// TestWebSocketClosed: a close frame loses nothing, and is counted by its code, however the clients wait.
func TestWebSocketClosed(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{0, 30 * time.Millisecond} {
		e := newEchoServer(t, nil)
		r := prove(t, Options{URL: e.URL, Connections: WebSocket, Clients: 4, Times: 3, Every: 100 * time.Millisecond,
			Pause: pause, Command: "roll", During: func(context.Context) error {
				e.closeAll(websocket.StatusGoingAway)
				return nil
			}})
		text := new(strings.Builder)
		_ = r.WriteText(text)
		if r.Lost() != 0 || r.Closes.Codes[1001] < 8 || r.Closes.Broken != 0 || r.Closes.Again.Slowest == 0 || !r.Proven() ||
			r.WebSocket.Connections < 12 || !strings.Contains(text.String(), "with 1001") {
			t.Errorf("pause %v: %+v %+v %+v\n%s", pause, r.WebSocket, r.Closes, r.Samples, text)
		}
		if pause > 0 && r.WebSocket.Unprocessed > 8 {
			t.Errorf("%d messages met a close that could be seen before: %+v", r.WebSocket.Unprocessed, r.WebSocket)
		}
	}
}

// TestWebSocketFaults: a message that the server drops is lost.
func TestWebSocketFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		each   func(e *echoServer, ws *websocket.Conn, n int64) bool
		broken bool
		lost   func(l Losses) int64
	}{
		"dropped": {func(_ *echoServer, _ *websocket.Conn, n int64) bool { return n%5 > 0 }, true,
			func(l Losses) int64 { return l.EOF + l.Reset }},
		"no echo": {func(_ *echoServer, ws *websocket.Conn, n int64) bool {
			if n%5 == 0 {
				_, _, err := ws.Read(context.Background())
				return err == nil
			}
			return true
		}, false, func(l Losses) int64 { return l.Timeout }},
	} {
		e := newEchoServer(t, c.each)
		r := prove(t, Options{URL: e.URL, Connections: WebSocket, Clients: 2, MinRequests: 20, Duration: time.Millisecond,
			Timeout: patience(name == "no echo")})
		if lost := r.WebSocket.Lost; c.lost(lost) == 0 || c.lost(lost) != lost.Total() || r.Closes.Broken > 0 != c.broken ||
			r.Proven() {
			t.Errorf("%s: %+v %+v %+v", name, r.WebSocket, r.Closes, r.Samples)
		}
	}
}

// TestWebSocketDroppedIdle: a socket that breaks while its client waits counts as lost, too.
func TestWebSocketDroppedIdle(t *testing.T) {
	e := newEchoServer(t, nil)
	r := prove(t, Options{URL: e.URL, Connections: WebSocket, Clients: 2, Pause: time.Hour, Times: 1,
		Every: 200 * time.Millisecond, MinRequests: 2, Command: "drop", During: func(context.Context) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			for ws := range e.open {
				go ws.CloseNow()
			}
			return nil
		}})
	if r.WebSocket.Lost.Total() != 2 || r.Closes.Broken != 2 {
		t.Errorf("%+v %+v", r.WebSocket, r.Closes)
	}
}

// TestWebSocketRefused: a handshake that fails is lost with its status.
func TestWebSocketRefused(t *testing.T) {
	var refuse atomic.Bool
	e := newEchoServer(t, func(*echoServer, *websocket.Conn, int64) bool { return !refuse.Load() })
	accept := e.Config.Handler
	e.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		accept.ServeHTTP(w, r)
	})
	r := prove(t, Options{URL: e.URL, Connections: WebSocket, Clients: 1, Times: 1, Every: 50 * time.Millisecond,
		Command: "refuse", During: func(context.Context) error {
			refuse.Store(true)
			return nil
		}})
	if r.WebSocket.Lost.Status5xx == 0 {
		t.Errorf("%+v %+v", r.WebSocket, r.Samples)
	}
	if _, err := Run(t.Context(), Options{URL: e.URL, Connections: WebSocket}); err == nil ||
		!strings.Contains(err.Error(), "status 503") {
		t.Errorf("%v", err)
	}
}
