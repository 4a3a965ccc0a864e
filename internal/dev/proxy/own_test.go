package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stream reads the states that are sent to a page.
type stream struct {
	t     *testing.T
	lines *bufio.Reader
}

func listen(t *testing.T, p *Proxy) stream {
	t.Helper()
	res := ask(t, "GET", p.URL()+reserved+"events", "")
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	return stream{t, bufio.NewReader(res.Body)}
}

func (s stream) next() (now state) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(data), &now); err != nil {
				s.t.Fatal(err)
			}
			return now
		}
	}
}

func TestEvents(t *testing.T) {
	p := proxied(t, fixed(200, ""))
	s := listen(t, p)
	want := s.next()
	steps := []struct {
		act  func()
		want func(*state)
	}{
		{func() { p.Reload(nil) }, func(s *state) { s.Page++ }},
		{func() { p.Reload([]string{"a.css", "b/C.SCSS"}) }, func(s *state) { s.Style++ }},
		{func() { p.Reload([]string{"a.css", "main.go"}) }, func(s *state) { s.Page++ }},
		{func() { p.Fail(Failure{Title: "x"}) }, func(s *state) {
			s.Trouble, s.Failure = 1, &failureView{Title: "x", Problems: []problemView{}}
		}},
		{p.Clear, func(s *state) { s.Failure = nil }},
	}
	for _, step := range steps {
		step.act()
		want.Serial++
		step.want(&want)
		if diff := cmp.Diff(want, s.next()); diff != "" {
			t.Error(diff)
		}
		var asked state
		if err := json.NewDecoder(ask(t, "GET", p.URL()+reserved+"state", "").Body).Decode(&asked); err != nil ||
			!cmp.Equal(asked, want) {
			t.Errorf("state says %+v, %v", asked, err)
		}
	}
}

// TestSlowPageHoldsNobodyUp: a page that reads nothing does not delay thousands of changes.
func TestSlowPageHoldsNobodyUp(t *testing.T) {
	p := proxied(t, fixed(200, ""))
	listen(t, p) // without reading on
	s := listen(t, p)
	large := Failure{Output: strings.Repeat("x", maxOutput)}
	go func() { // this test's own page reads meanwhile: one that does not is cut off in the end
		for range 2000 {
			p.Fail(large)
		}
		p.Reload(nil)
	}()
	for s.next().Page != 1 {
	}
}

// TestRunEndsStreams: open event streams, the app's streams, a WebSocket, a waiting and a running
// request delay the end by half a second at most.
func TestRunEndsStreams(t *testing.T) {
	reached := make(chan struct{}, 2)
	app := appOf(t, withSocket(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		reached <- struct{}{}
		<-r.Context().Done()
	})), false)
	p, err := New(Options{Listen: "127.0.0.1:0", Target: hostOf(app)})
	if err != nil {
		t.Fatal(err)
	}
	stop := runProxy(t, p)
	own := listen(t, p)
	own.next()
	apps := ask(t, "GET", p.URL()+"/stream", "")
	<-reached
	socket, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	_, _ = io.WriteString(socket, "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: x\r\n\r\n")
	in := bufio.NewReader(socket)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatalf("%q, %v", line, err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took < farewell || took > tooLong {
		t.Errorf("Run took %s to end", took)
	}
	if _, err := io.ReadAll(own.lines); err != nil {
		t.Errorf("our stream did not end well: %v", err)
	}
	if _, err := io.ReadAll(apps.Body); err == nil {
		t.Error("a stream of the app that was cut off looks whole")
	}
	_, _ = io.Copy(io.Discard, in)
}

func TestRunWithoutListener(t *testing.T) {
	p, err := New(Options{Listen: "127.0.0.1:0", Target: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	p.listener.Close()
	if err := p.Run(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestReloadByTool(t *testing.T) {
	p := run(t, Options{Target: "127.0.0.1:1", Hosts: []string{"app.test"}})
	own := strings.TrimPrefix(p.URL(), "http://")
	url := p.URL() + reserved + "reload"
	for name, c := range map[string]struct {
		method  string
		headers []string
		status  int
	}{
		"tool":             {"POST", nil, 204},
		"own page":         {"POST", []string{"Origin", p.URL(), "Sec-Fetch-Site", "same-origin"}, 204},
		"foreign page":     {"POST", []string{"Origin", "http://evil.test"}, 403},
		"no origin at all": {"POST", []string{"Origin", "null"}, 403},
		"other port":       {"POST", []string{"Origin", "http://127.0.0.1:1"}, 403},
		"two origins":      {"POST", []string{"Origin", p.URL(), "Origin", "http://evil.test"}, 403},
		"cross-site":       {"POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"rebound name":     {"POST", []string{"Host", "evil.test"}, 403},
		"rebound, same":    {"POST", []string{"Host", "evil.test", "Origin", "http://evil.test"}, 403},
		"like localhost":   {"POST", []string{"Host", "localhost.evil.test"}, 403},
		"localhost":        {"POST", []string{"Host", "LocalHost:80"}, 204},
		"below localhost":  {"POST", []string{"Host", "app.localhost:80"}, 204},
		"IPv6":             {"POST", []string{"Host", "[::1]:80"}, 204},
		"a known name":     {"POST", []string{"Host", "App.test:" + own[strings.Index(own, ":")+1:]}, 204},
		"by GET":           {"GET", nil, 405},
	} {
		before, _ := p.board.look()
		res := ask(t, c.method, url, "", c.headers...)
		after, _ := p.board.look()
		if res.StatusCode != c.status || (after.Page != before.Page) != (c.status == 204) {
			t.Errorf("%s: %d, pages %d → %d", name, res.StatusCode, before.Page, after.Page)
		}
	}
	if res := ask(t, "GET", p.URL()+reserved+"events", "", "Host", "evil.test"); res.StatusCode != 403 {
		t.Errorf("a rebound name got the events: %d", res.StatusCode)
	}
}

func TestReloadByToolWithPaths(t *testing.T) {
	p := run(t, Options{Target: "127.0.0.1:1"})
	url := p.URL() + reserved + "reload"
	for body, want := range map[string]int{`{"paths": ["a.css"]}`: 204, ``: 204, `{`: 400} {
		if res := ask(t, "POST", url, body, "Content-Type", "application/json"); res.StatusCode != want {
			t.Errorf("%q: %d", body, res.StatusCode)
		}
	}
	if now, _ := p.board.look(); now.Style != 1 || now.Page != 1 {
		t.Errorf("%+v", now)
	}
	if res := ask(t, "GET", p.URL()+reserved+"else", ""); res.StatusCode != 404 {
		t.Errorf("%d", res.StatusCode)
	}
	res := ask(t, "GET", p.URL()+clientPath, "")
	if got := text(t, res); got != string(clientScript) ||
		!strings.HasPrefix(res.Header.Get("Content-Type"), "text/javascript") ||
		res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", res.Header)
	}
}
