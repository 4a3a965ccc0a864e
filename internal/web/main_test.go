package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tooLong is longer than anything here takes.
const tooLong = 60 * time.Second

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// standIn plays the master of an app.
type standIn struct {
	control.Master // what no test asks for

	mu          sync.Mutex
	status      control.Status
	asked       []string // but the status
	looks       int      // how often the status was asked for
	refuses     error
	remembers   []pool.Entry
	onRecent    func()        // happens before it tells what it remembers
	stuck       chan struct{} // until it is closed, the status is not answered
	subscribers map[chan pool.Event]bool
}

func (s *standIn) Status() (control.Status, error) {
	s.mu.Lock()
	stuck, status := s.stuck, s.status
	s.looks++
	s.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	return status, nil
}

// set changes the status.
func (s *standIn) set(change func(*control.Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Workers = append([]pool.Worker(nil), s.status.Workers...)
	change(&s.status)
}

func (s *standIn) looked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}

func (s *standIn) note(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
	return s.refuses
}

func (s *standIn) wishes() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, ", ")
}

func (s *standIn) Reload(control.ReloadOptions) (control.Wait, error) { return nil, s.note("roll") }
func (s *standIn) Rollback(string) (control.Wait, error)              { return nil, s.note("rollback") }
func (s *standIn) Stop(bool) error                                    { return s.note("stop") }
func (s *standIn) Promote() (pool.Canary, error)                      { return pool.Canary{}, s.note("promote") }
func (s *standIn) Scale(change string) (control.Scaled, error) {
	return control.Scaled{From: 2, To: 3}, s.note("scale " + change)
}
func (s *standIn) Signal(pool.Target, syscall.Signal) ([]string, error) { return nil, s.note("signal") }

func (s *standIn) Recent() ([]pool.Entry, error) {
	s.mu.Lock()
	all, first := s.remembers, s.onRecent
	s.mu.Unlock()
	if first != nil {
		first()
	}
	return all, nil
}

func (s *standIn) Subscribe() (<-chan pool.Event, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := make(chan pool.Event, 100)
	s.subscribers[ch] = true
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscribers, ch)
	}, nil
}

func (s *standIn) followers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subscribers)
}

// tell sends an event to all that follow.
func (s *standIn) tell(e pool.Event) {
	e.Time = time.Now()
	s.tellAt(e)
}

// tellAt is tell for an event that has its time.
func (s *standIn) tellAt(e pool.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.subscribers {
		ch <- e
	}
}

// site is a Server with the masters of a directory of its own.
type site struct {
	t      testing.TB
	places apps.Places
	o      Options
	*Server
	url, token string
	end        func()
}

func newSite(t testing.TB, change func(*Options)) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlw") // short, because the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{t: t, places: apps.Places{Places: config.Places{Runtime: filepath.Join(dir, "run"),
		State: filepath.Join(dir, "state")}}}
	for _, d := range []string{s.places.Runtime, s.places.State} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.o = Options{
		Names: func() ([]string, error) { return s.places.Known() },
		Ask:   func(ctx context.Context, name string) apps.App { return s.places.Ask(ctx, name) },
		Connect: func(ctx context.Context, name string) (*control.Client, error) {
			return control.Connect(ctx, s.places.ControlSocket(name))
		},
		Token: TokenIn(s.places.State), Address: "127.0.0.1:0",
	}
	if change != nil {
		change(&s.o)
	}
	if s.token, err = s.o.Token.Make(); err != nil {
		t.Fatal(err)
	}
	s.begin()
	return s
}

// begin runs the server; end ends it.
func (s *site) begin() {
	s.t.Helper()
	server, err := Listen(s.o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Server, s.url = server, strings.TrimSuffix(server.URL(), "/")
	s.o.Address = server.listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	s.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
	s.t.Cleanup(s.end)
}

// statusOf is that of an app whose workers serve.
func statusOf(name string, workers int) control.Status {
	s := control.Status{Name: name, PID: os.Getpid(), Version: "v1", Status: pool.Status{
		Generation: 1, State: "running", Slots: workers, Release: &pool.Info{Path: "/srv/app", SHA256: "aa", Version: "v1"}}}
	for slot := range workers {
		s.Workers = append(s.Workers, pool.Worker{Slot: slot, ID: fmt.Sprint(name, slot), PID: 1 << 23, Generation: 1,
			State: "serving", Started: time.Now()})
	}
	return s
}

// master runs a stand-in for an app with so many workers; gone ends it.
func (s *site) master(name string, workers int) (m *standIn, gone func()) {
	s.t.Helper()
	m = newStandIn(name, workers)
	return m, s.serve(name, m)
}

func newStandIn(name string, workers int) *standIn {
	return &standIn{subscribers: map[chan pool.Event]bool{}, status: statusOf(name, workers)}
}

// serve runs a stand-in.
func (s *site) serve(name string, m *standIn) (gone func()) {
	s.t.Helper()
	server, err := control.Listen(s.places.ControlSocket(name), m, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { server.Serve() })
	gone = sync.OnceFunc(func() { server.Close(); served.Wait() })
	s.t.Cleanup(gone)
	return gone
}

// request is made as a client of this machine does, with headers "Name: value".
func (s *site) request(method, path, body string, headers ...string) (code int, text string, h http.Header) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: tooLong}
	answer, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(all), answer.Header
}

// list is the answer of /v1/apps.
func (s *site) list(headers ...string) (found []detail) {
	s.t.Helper()
	code, text, _ := s.request("GET", "/v1/apps", "", headers...)
	var answer struct{ Apps []detail }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || code != 200 {
		s.t.Fatalf("/v1/apps: %d %v %s", code, err, text)
	}
	return answer.Apps
}

func removeFile(path string) error { return os.Remove(path) }

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}
