package ask_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/health/ask"
)

// check is a configuration that is patient with a slow machine.
func check(change func(*config.Health)) config.Health {
	h := config.Default().Health
	h.Interval, h.Timeout = time.Minute, time.Minute
	change(&h)
	return h
}

func dialing(address string) ask.Target {
	return ask.Target{Address: address, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}}
}

// serving answers with a raw text, once the request has come.
func serving(t *testing.T, answer string) ask.Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.Read(make([]byte, 4<<10))
				io.WriteString(conn, answer)
			}()
		}
	}()
	return dialing(l.Addr().String())
}

func TestHTTPAnswers(t *testing.T) {
	http := func(more ...func(*config.Health)) config.Health {
		return check(func(h *config.Health) {
			h.HTTP = "/healthz"
			for _, change := range more {
				change(h)
			}
		})
	}
	only200 := func(h *config.Health) { h.Status = config.StatusRange{Low: 200, High: 200} }
	wantOK := func(h *config.Health) { h.Body = "all is well" }
	for answer, c := range map[string]struct {
		h    config.Health
		want string
	}{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":                      {http(), ""},
		"HTTP/1.0 204 No Content\r\n\r\n":                                     {http(), ""},
		"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n": {http(), ""},
		"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n": {http(only200),
			"GET /healthz: 302"},
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n": {http(), ""},
		"HTTP/1.1 500 No\r\nContent-Length: 15\r\n\r\n\n disk full\nmore": {http(),
			`GET /healthz: 500 "disk full"`},
		"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n": {http(),
			`GET /healthz: 500 "bad"`},
		"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\x1b[2Jevil\r": {http(),
			`GET /healthz: 500 "evil"`},
		"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nall is well, so": {http(wantOK), ""},
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nread only.": {http(wantOK),
			`GET /healthz: 200, but without "all is well" "read only."`},
		"\x15\x03\x01\x00\x02\x02\x46": {http(),
			"GET /healthz: the answer is not HTTP/1: "},
		"": {http(),
			"GET /healthz: the connection was closed without an answer"},
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + strings.Repeat("x", 1<<18) + "\r\n\r\n": {http(), "GET /healthz: "},
	} {
		got := ask.Ask(context.Background(), c.h, serving(t, answer))
		if got.Fault != c.want && (c.want == "" || !strings.HasPrefix(got.Fault, c.want)) {
			t.Errorf("%.60q: got %q, want %q", answer, got.Fault, c.want)
		}
		if (got.Took > 0) != (got.Status != 0) {
			t.Errorf("%.60q: status %d took %s", answer, got.Status, got.Took)
		}
	}
}

// The request is what the configuration says.
func TestHTTPRequest(t *testing.T) {
	got := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	defer server.Close()
	target := dialing(server.Listener.Addr().String())
	h := check(func(h *config.Health) {
		h.HTTP, h.Host, h.Headers = "/a?b=c", "shop.example", []config.Header{{Name: "authorization", Value: "Bearer x"}}
	})
	if a := ask.Ask(context.Background(), h, target); a.Fault != "" {
		t.Fatal(a.Fault)
	}
	r := <-got
	if r.Method != http.MethodGet || r.URL.String() != "/a?b=c" || r.Host != "shop.example" ||
		r.Header.Get("Authorization") != "Bearer x" || !r.Close || r.Header.Get("User-Agent") != "relevo-health" {
		t.Errorf("%s %s, host %s, %v", r.Method, r.URL, r.Host, r.Header)
	}
	h.Host = ""
	ask.Ask(context.Background(), h, target)
	if r := <-got; r.Host != target.Address {
		t.Errorf("host %s", r.Host)
	}
}

// Whatever keeps an answer away is told with how long it was waited for.
func TestNoAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects by its queue, and accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	h := check(func(h *config.Health) { h.HTTP, h.Timeout = "/", 50*time.Millisecond })
	if a := ask.Ask(context.Background(), h, dialing(silent.Addr().String())); a.Fault != "GET /: no answer within 50ms" ||
		a.Took != 0 {
		t.Errorf("%+v", a)
	}
	closed := silent.Addr().String()
	silent.Close()
	if a := ask.Ask(context.Background(), h, dialing(closed)); a.Fault != "GET /: connection refused" {
		t.Errorf("%+v", a)
	}
	endless := "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nall"
	h = check(func(h *config.Health) { h.HTTP, h.Body, h.Timeout = "/", "well", 50*time.Millisecond })
	hold := make(chan struct{})
	defer close(hold)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		io.WriteString(conn, endless)
		<-hold
		conn.Close()
	}))
	defer server.Close()
	defer server.CloseClientConnections()
	if a := ask.Ask(context.Background(), h,
		dialing(server.Listener.Addr().String())); a.Fault != "GET /: no answer within 50ms" {
		t.Errorf("%+v", a)
	}
}

func TestTCP(t *testing.T) {
	h := check(func(h *config.Health) { h.TCP = true })
	target := serving(t, "")
	if a := ask.Ask(context.Background(), h, target); a.Fault != "" || a.Took == 0 {
		t.Errorf("%+v", a)
	}
	h.Timeout = 20 * time.Millisecond
	target.Accepted = func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("the worker did not accept the connection: %w", ctx.Err())
	}
	if a := ask.Ask(context.Background(), h, target); a.Fault != "tcp: no answer within 20ms" {
		t.Errorf("%+v", a)
	}
}

// A command is run for a worker, in its place, and told by what it says.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	target := ask.Target{Address: "127.0.0.1:80", PID: 4711, Slot: 2, Command: ask.Command{
		Dir: dir, Env: []string{"SHOP=open"},
		Start: func(start func() (int, error)) error { _, err := start(); return err },
		Reap:  func(_ int, reap func()) { reap() },
	}}
	run := func(command string, timeout time.Duration) string {
		h := check(func(h *config.Health) { h.Command, h.Timeout = command, timeout })
		if !target.Asks(h) {
			t.Error("it is not asked")
		}
		return ask.Ask(context.Background(), h, target).Fault
	}
	if fault := run(`echo "$RELEVO_WORKER_PID $RELEVO_SLOT $RELEVO_ADDRESS $SHOP $(pwd)" >said`,
		time.Minute); fault != "" {
		t.Error(fault)
	}
	said, _ := os.ReadFile(filepath.Join(dir, "said"))
	if want := "4711 2 127.0.0.1:80 open " + dir + "\n"; string(said) != want {
		t.Errorf("it found %q, want %q", said, want)
	}
	if fault := run("echo; echo no queue >&2; exit 3", time.Minute); fault != `command: exit status 3: "no queue"` {
		t.Error(fault)
	}
	if fault := run("kill -9 $$", time.Minute); !strings.HasPrefix(fault, "command: signal: killed") {
		t.Error(fault)
	}
	// With what it has started.
	if fault := run("sleep 600 & echo $! >child; wait", 200*time.Millisecond); fault != "command: no answer within 200ms" {
		t.Error(fault)
	}
	child, _ := os.ReadFile(filepath.Join(dir, "child"))
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("child %s of the command lives", child)
}

// A pool as a whole is not asked by commands, a worker without an address by them alone.
func TestAsks(t *testing.T) {
	command := check(func(h *config.Health) { h.Command = "true" })
	http := check(func(h *config.Health) { h.HTTP = "/" })
	whole := dialing("127.0.0.1:1")
	if whole.Asks(command) || !whole.Asks(http) || (ask.Target{PID: 1}).Asks(http) || !(ask.Target{PID: 1}).Asks(command) {
		t.Error("the wrong ones are asked")
	}
}
