package web

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"relevo/internal/apps"
	"relevo/internal/control"
)

// message is one of a stream.
type message struct{ kind, data string }

// stream opens one, until the test ends.
func (s *site) openStream(query string, headers ...string) (messages <-chan message, end func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+"/v1/stream"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	ch, done := make(chan message), make(chan struct{})
	go func() {
		defer close(done)
		defer close(ch)
		defer answer.Body.Close()
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		for m := (message{}); lines.Scan(); {
			kind, value, _ := strings.Cut(lines.Text(), ": ")
			switch kind {
			case "event":
				m.kind = value
			case "data":
				m.data = value
				select {
				case ch <- m:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	end = func() { cancel(); <-done }
	s.t.Cleanup(end)
	return ch, end
}

// next waits for a message of a kind that holds a text.
func next(t *testing.T, messages <-chan message, kind, text string) string {
	t.Helper()
	late := time.After(tooLong)
	for {
		select {
		case m, open := <-messages:
			if !open {
				t.Fatalf("the stream ended before %s with %q", kind, text)
			}
			if m.kind == kind && strings.Contains(m.data, text) {
				return m.data
			}
		case <-late:
			t.Fatalf("no %s with %q", kind, text)
		}
	}
}

// TestSickMaster: one that never answers delays neither the page nor what is asked for the others,
// and is not asked again meanwhile.
func TestSickMaster(t *testing.T) {
	t.Parallel()
	well, asked := make(chan struct{}), make(chan struct{}, 100)
	s := newSite(t, func(o *Options) {
		names, ask := o.Names, o.Ask
		o.Names = func() ([]string, error) {
			all, err := names()
			return append(all, "sick"), err
		}
		o.Ask = func(ctx context.Context, name string) apps.App {
			if name == "sick" {
				asked <- struct{}{}
				<-well
			}
			return ask(ctx, name)
		}
	})
	t.Cleanup(func() { close(well) }) // before the server ends, which waits for the answer
	s.master("web", 2)
	for range 2 {
		found := s.list()
		if len(found) != 2 || found[1].State != string(apps.Silent) || found[0].State != "running" || found[0].Ready != 2 {
			t.Fatalf("found %+v", found)
		}
	}
	messages, _ := s.openStream("?app=web")
	next(t, messages, "look", `"name":"sick","state":"does not answer"`)
	next(t, messages, "look", `"ready":2`)
	if len(asked) != 1 {
		t.Errorf("it was asked %d times, want once", len(asked))
	}
	_, text, _ := s.request("GET", "/metrics", "")
	for _, want := range []string{`relevo_up{app="web"} 1`, `relevo_up{app="sick"} 0`,
		`relevo_workers{app="web",state="serving"} 2`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if code, text, _ := s.request("GET", "/readyz", ""); code != 503 || text != "not all apps serve: sick\n" {
		t.Errorf("/readyz: %d %q", code, text)
	}
	if code, text, _ := s.request("GET", "/readyz", "", "Via: x"); code != 503 || text != "not all apps serve\n" {
		t.Errorf("/readyz for another machine: %d %q", code, text)
	}
}

// TestLooksForPagesOnly: masters are asked while a page is open, and not before or after. Each page
// of several gets the looks.
func TestLooksForPagesOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	m, _ := s.master("web", 1)
	if n := m.looked(); n != 0 {
		t.Fatalf("asked %d times before there is a page", n)
	}
	first, endFirst := s.openStream("?app=web")
	second, endSecond := s.openStream("")
	for range 3 {
		next(t, first, "look", `"history"`)
	}
	if text := next(t, second, "look", `"web"`); strings.Contains(text, "workers") {
		t.Errorf("a page that shows no app gets its workers: %s", text)
	}
	endFirst()
	next(t, second, "look", "")
	endSecond()
	eventually(t, "the end of the looks", func() bool {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		return s.hub.stop == nil && s.hub.newest == nil
	})
	s.hub.running.Wait() // nothing looks now
	if len(s.streams) != 0 {
		t.Errorf("%d streams are left", len(s.streams))
	}
	third, _ := s.openStream("?app=web")
	next(t, third, "look", `"web"`)
}

// TestStreams: there is a bound, and an odd name is refused.
func TestStreams(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	if code, text, _ := s.request("GET", "/v1/stream?app=../x", ""); code != 400 {
		t.Errorf("an odd name: %d %s", code, text)
	}
	for range maxStreams {
		s.streams <- struct{}{}
	}
	if code, text, _ := s.request("GET", "/v1/stream", ""); code != 503 || !strings.Contains(text, "close some") {
		t.Errorf("one too many: %d %s", code, text)
	}
}

// TestStreamEndsWithTheToken: a client with the old token sees nothing more after a new token was made.
func TestStreamEndsWithTheToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.master("web", 1)
	messages, _ := s.openStream("", "Relevo-Token: "+s.token)
	next(t, messages, "hello", `"act":true`)
	next(t, messages, "look", "web")
	if err := removeFile(s.o.Token.path); err != nil {
		t.Fatal(err)
	}
	late := time.After(tooLong)
	for open := true; open; {
		select {
		case _, open = <-messages:
		case <-late:
			t.Fatal("the stream goes on")
		}
	}
}

// TestActions: each action, and what is no action.
func TestActions(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	m, _ := s.master("web", 2)
	for _, c := range []struct {
		path, body string
		code       int
		says, asks string
	}{
		{"web/roll", `{}`, 200, "web: the roll has begun", "roll"},
		{"web/roll", ``, 200, "begun", "roll"},
		{"web/rollback", `{}`, 200, "web: the roll back has begun", "rollback"},
		{"web/scale", `{"workers":"+1"}`, 200, "web: from 2 to 3 workers", "scale +1"},
		{"web/scale", `{"workers":"auto"}`, 200, "web", "scale auto"},
		{"web/scale", `{}`, 400, `\"workers\" is missing`, ""},
		{"web/scale", `{"workers":3}`, 400, "cannot read the request", ""},
		{"web/promote", `{}`, 200, "promoted", "promote"},
		{"web/stop", `{}`, 200, "web: it stops", "stop"},
		{"web/signal", `{}`, 400, "cannot signal: there are roll", ""},
		{"web/roll", `{"workers":"` + strings.Repeat("x", 5000) + `"}`, 400, "too large", ""},
		{"none/roll", `{}`, 404, "not running", ""},
		{"..%2Fx/roll", `{}`, 400, "as a name", ""},
	} {
		m.mu.Lock()
		m.asked = nil
		m.mu.Unlock()
		code, text, _ := s.request("POST", "/v1/apps/"+c.path, c.body, "Relevo-Token: "+s.token,
			"Content-Type: application/json; charset=utf-8")
		if code != c.code || !strings.Contains(text, c.says) || m.wishes() != c.asks {
			t.Errorf("%s %.40s: %d %s, asked %q; want %d, %s, %q", c.path, c.body, code, text, m.wishes(), c.code, c.says,
				c.asks)
		}
	}
	m.refuses = &control.Error{Message: "cannot roll: the configuration is wrong", Exit: control.ExitConfig}
	if code, text, _ := s.request("POST", "/v1/apps/web/roll", "{}", "Relevo-Token: "+s.token,
		"Content-Type: application/json"); code != 422 || !strings.Contains(text, "the configuration is wrong") {
		t.Errorf("refused: %d %s", code, text)
	}
}

// TestReady: every app that is remembered has to serve.
func TestReady(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	ready := func(want int, says string) {
		t.Helper()
		if code, text, _ := s.request("GET", "/readyz", ""); code != want || text != says {
			t.Errorf("/readyz: %d %q, want %d %q", code, text, want, says)
		}
	}
	ready(200, "ok\n")
	m, gone := s.master("web", 1)
	ready(200, "ok\n")
	m.set(func(s *control.Status) { s.Workers[0].State = "starting" })
	ready(503, "not all apps serve: web\n")
	gone() // it is not remembered
	ready(200, "ok\n")
	writeFile(t, s.places.AppState("shop"), "definition.json", `{"name":"shop"}`)
	ready(503, "not all apps serve: shop\n")
	if code, text, _ := s.request("GET", "/livez", ""); code != 200 || text != "ok\n" {
		t.Errorf("/livez: %d %q", code, text)
	}
}

// TestOlderMaster: what it does not tell is left out.
func TestOlderMaster(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	unix := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/status" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(`{"name":"old","pid":8388608,"state":"running","slots":1,"new_field":{"a":1},` +
			`"workers":[{"slot":0,"id":"1","pid":8388609,"state":"serving"}]}`))
	}))
	unix.Listener.Close()
	unix.Listener = listenUnix(t, s.places.ControlSocket("old"))
	unix.Start()
	t.Cleanup(unix.Close)
	messages, _ := s.openStream("?app=old", "Relevo-Token: "+s.token)
	next(t, messages, "look", `"workers":[{"slot":0,"id":"1"`)
	if found := s.list(); len(found) != 1 || found[0].Ready != 1 || found[0].Memory != 0 || found[0].LastRoll != nil {
		t.Errorf("found %+v", found)
	}
	code, text, _ := s.request("GET", "/metrics", "")
	if code != 200 || !strings.Contains(text, `relevo_up{app="old"} 1`) {
		t.Errorf("/metrics: %d %s", code, text)
	}
}

// TestListen: what is wrong with an address, and what to type.
func TestListen(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for address, want := range map[string]string{s.o.Address: "the port is taken", "8080": "write HOST:PORT",
		"192.0.2.1:1": "choose another address"} {
		server, err := Listen(Options{Address: address})
		if err == nil {
			server.listener.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot listen") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	for address, want := range map[string]string{"0.0.0.0:9615": "http://127.0.0.1:9615/",
		":9615": "http://127.0.0.1:9615/", "[::]:80": "http://127.0.0.1/", "box:80": "http://box/", "x": "http://x/"} {
		if got := URL(address); got != want {
			t.Errorf("the URL of %s is %s, want %s", address, got, want)
		}
	}
}

// TestNoNames: only clients that have the token are told of a directory that cannot be read.
func TestNoNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) {
		o.Names = func() ([]string, error) { return nil, errors.New("cannot read /secret") }
	})
	messages, _ := s.openStream("")
	if text := next(t, messages, "look", "cannot look for apps"); strings.Contains(text, "secret") {
		t.Errorf("all may read %s", text)
	}
	messages, _ = s.openStream("", "Relevo-Token: "+s.token)
	next(t, messages, "look", "cannot read /secret")
}
