package monitor

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// tooLong is for what ends at once, also on a busy machine.
const tooLong = 2 * time.Minute

// fakePool has the workers that it is told to have, and notes what is asked of it.
type fakePool struct {
	mu       sync.Mutex
	status   pool.Status
	replaced chan [2]string
	events   chan pool.Event
}

func newPool(workers ...pool.Worker) *fakePool {
	return &fakePool{status: pool.Status{Generation: 1, Workers: workers}, replaced: make(chan [2]string, 1000),
		events: make(chan pool.Event, 1000)}
}

func worker(id string, slot int) pool.Worker {
	return pool.Worker{ID: id, Slot: slot, PID: os.Getpid(), Generation: 1, State: string(machine.Serving)}
}

func (p *fakePool) Status() (pool.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status, nil
}

func (p *fakePool) Unhealthy(id, reason string) error {
	p.replaced <- [2]string{id, reason}
	return nil
}

func (p *fakePool) PublishFor(id string, e pool.Event) error {
	e.ID = id
	p.events <- e
	return nil
}

func (p *fakePool) Publish(e pool.Event) { p.events <- e }

// told says whether the pool was told an event of a kind with a text, and forgets the others.
func (p *fakePool) told(t *testing.T, kind pool.Kind, text string) {
	t.Helper()
	for {
		select {
		case e := <-p.events:
			if e.Kind == kind && strings.Contains(e.Reason, text) {
				return
			}
		default:
			t.Fatalf("no event %s with %q", kind, text)
		}
	}
}

// bench is a monitor beside a fake pool.
type bench struct {
	*Monitor
	pool    *fakePool
	app     atomic.Pointer[config.App]
	changed atomic.Pointer[chan struct{}]
	warning atomic.Pointer[string]
	set     *listeners.Set
}

func newBench(t *testing.T, h config.Health, workers ...pool.Worker) *bench {
	t.Helper()
	b := &bench{pool: newPool(workers...), set: listeners.New(listeners.Options{Log: slog.New(slog.DiscardHandler)})}
	t.Cleanup(func() { b.set.Close() })
	changed := make(chan struct{})
	b.changed.Store(&changed)
	b.use(h)
	b.Monitor = New(Options{
		Log: slog.New(slog.DiscardHandler), Pool: func() Pool { return b.pool },
		App:     func() config.App { return *b.app.Load() },
		Changed: func() <-chan struct{} { return *b.changed.Load() }, Listeners: func() Listeners { return b.set },
		Warn:  func(text string) { b.warning.Store(&text) },
		Start: func(start func() (int, error)) error { _, err := start(); return err },
		Reap:  func(_ int, reap func()) { reap() },
	})
	return b
}

// use has the app checked in another way.
func (b *bench) use(h config.Health) {
	app := config.Default()
	if h.On() {
		h.Failures, h.Interval, h.Timeout = 1, tooLong, tooLong
	}
	app.Health, app.ReadyTimeout, app.Env = h, tooLong, []string{"OF_THE_APP=yes", "INHERITED"}
	b.app.Store(&app)
	next := make(chan struct{})
	close(*b.changed.Swap(&next))
}

// round asks all workers once.
func (b *bench) round(t *testing.T) {
	h := b.app.Load().Health
	b.begin(h)
	b.askOnce(t.Context(), h)
}

// TestRun: the check is asked from the first moment, and may be taken away at any time.
func TestRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, config.Health{Command: "true"}, worker("1", 0))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	until := func(what string, holds func(s control.Status) bool) {
		t.Helper()
		for deadline := time.Now().Add(tooLong); ; time.Sleep(time.Millisecond) {
			s := control.Status{Status: pool.Status{Workers: []pool.Worker{worker("1", 0)}}}
			if b.Describe(&s); holds(s) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	until("the worker is not asked", func(s control.Status) bool {
		return s.Health != nil && s.Workers[0].Health != nil && s.Workers[0].Health.OK
	})
	b.use(config.Health{})
	until("the check is asked on", func(s control.Status) bool { return s.Health == nil && b.Legacy() == nil })
	b.use(config.Health{Command: "exit 7"})
	until("another check is not asked", func(s control.Status) bool {
		return s.Health != nil && s.Workers[0].Health != nil && !s.Workers[0].Health.OK
	})
}

// TestRounds: a worker that fails where another one is well is replaced; where all fail the
// cause is likely outside of them.
func TestRounds(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad")
	h := config.Health{Command: `test "$OF_THE_APP" = yes && ! test -e ` + bad + `$RELEVO_SLOT`}
	b := newBench(t, h, worker("1", 0), worker("2", 1))
	fail := func(slot string) {
		if err := os.WriteFile(bad+slot, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.round(t)
	if len(b.pool.events)+len(b.pool.replaced) > 0 {
		t.Error("workers that are well are told of")
	}
	fail("1")
	b.round(t)
	b.pool.told(t, pool.KindUnhealthy, "unhealthy: command: exit status 1")
	if len(b.pool.replaced) != 1 {
		t.Fatal("the worker that fails is not replaced")
	}
	if got := <-b.pool.replaced; got != [2]string{"2", "unhealthy: command: exit status 1"} {
		t.Errorf("replaced: %q", got)
	}
	s := control.Status{Status: pool.Status{Workers: []pool.Worker{worker("1", 0), worker("2", 1)}}}
	b.Describe(&s)
	if seen := s.Workers[1].Health; seen == nil || seen.OK || !seen.Out || !s.Workers[0].Health.OK {
		t.Errorf("status: %+v", seen)
	}
	fail("0")
	b.round(t)
	b.round(t)
	b.pool.told(t, pool.KindUnhealthy, "all 2 workers fail their health check")
	if text := *b.warning.Load(); !strings.Contains(text, "all 2 workers") {
		t.Errorf("warning: %q", text)
	}
	os.Remove(bad + "0")
	os.Remove(bad + "1")
	b.round(t)
	b.pool.told(t, pool.KindHealthy, "not all workers fail")
	b.pool.status.Canary = &pool.Canary{ID: "2"}
	fail("1")
	for len(b.pool.replaced) > 0 {
		<-b.pool.replaced
	}
	b.round(t)
	if len(b.pool.replaced) != 1 {
		t.Error("a canary that fails answers for its release alone, and is not replaced")
	}
}

// TestWhole: workers that share a socket are not asked one by one.
func TestWhole(t *testing.T) {
	t.Parallel()
	old := worker("1", 0)
	old.Ready = time.Now().Add(-time.Hour)
	b := newBench(t, config.Health{HTTP: "/healthz", Status: config.StatusRange{Low: 200, High: 299}}, old)
	status := serve(t, b.set)
	status.Store(http.StatusServiceUnavailable)
	b.round(t)
	b.pool.told(t, pool.KindUnhealthy, "no worker has ever passed the health check: GET /healthz: 503")
	status.Store(http.StatusNoContent)
	b.round(t)
	b.pool.told(t, pool.KindHealthy, "the pool passes its health check")
	status.Store(http.StatusInternalServerError)
	b.round(t)
	b.pool.told(t, pool.KindUnhealthy, "the pool fails its health check: GET /healthz: 500")
	s := control.Status{Status: pool.Status{Workers: []pool.Worker{old}}}
	if b.Describe(&s); s.Health == nil || s.Health.Pool == nil || s.Workers[0].Health != nil {
		t.Errorf("status: %+v", s)
	}
	if len(b.pool.replaced) > 0 {
		t.Error("a worker was replaced for what the pool answers")
	}
}

// serve answers requests on a socket of the set with a status.
func serve(t *testing.T, set *listeners.Set) (status *atomic.Int32) {
	listen, err := config.ParseListen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Apply([]config.Listen{listen}); err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(set.Listeners()[0].File())
	if err != nil {
		t.Fatal(err)
	}
	status = new(atomic.Int32)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return status
}

// TestAdmission: a worker that answers badly is refused where the pool is whole without it,
// and serves where it is better than none.
func TestAdmission(t *testing.T) {
	t.Parallel()
	b := newBench(t, config.Health{}, worker("1", 0), worker("2", 0))
	if a := b.Admission(*b.app.Load()); a.Admit != nil {
		t.Error("a check that there is not is asked")
	}
	b.use(config.Health{Command: `echo no; exit 1`})
	b.app.Load().ReadyTimeout = time.Nanosecond // nobody waits for a better answer
	a := b.Admission(*b.app.Load())
	doubted := ""
	doubt := func(text string) { doubted = text }
	if err := a.Admit(t.Context(), pool.Order{ID: "2", Generation: 1}, doubt); err == nil ||
		!strings.Contains(err.Error(), "command: exit status 1") || !strings.Contains(doubted, "exit status 1") {
		t.Errorf("beside another: %v, %q", err, doubted)
	}
	b.pool.status.Workers = b.pool.status.Workers[1:]
	if err := a.Admit(t.Context(), pool.Order{ID: "2", Generation: 1}, doubt); err != nil {
		t.Errorf("alone: %v", err)
	}
	b.use(config.Health{Command: "true"})
	if err := b.Admission(*b.app.Load()).Admit(t.Context(), pool.Order{ID: "2", Generation: 1}, doubt); err != nil {
		t.Errorf("that is well: %v", err)
	}
}

// TestReachable: a pool is asked where this host reaches it, whether it has IPv6 or not.
func TestReachable(t *testing.T) {
	t.Parallel()
	for listen, want := range map[config.Listen]string{
		{Network: config.TCP4, Address: "0.0.0.0:80"}: "127.0.0.1:80",
		{Network: config.TCP, Address: "[::]:80"}:     "127.0.0.1:80",
		{Network: config.TCP6, Address: "[::]:80"}:    "[::1]:80",
		{Network: config.TCP, Address: "192.0.2.1:1"}: "192.0.2.1:1",
	} {
		if got := reachable(&listeners.Listener{Listen: listen, Address: listen.Address}); got != want {
			t.Errorf("%v: %s, want %s", listen, got, want)
		}
	}
}
