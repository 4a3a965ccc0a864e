package scaler

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"relevo/internal/autoscale"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// tooLong is for what ends at once, also on a busy machine.
const tooLong = 2 * time.Minute

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rig is a scaler beside a pool whose workers are this process, at a time of its own.
type rig struct {
	*Scaler
	mu      sync.Mutex
	app     config.App
	changed chan struct{}
	status  pool.Status
	queues  listeners.Queues
	now     time.Time
	looks   chan struct{} // one for each look at the pool
	resized []string
	busy    chan struct{} // closed when a worker says that it is busy
	log     strings.Builder
	warning string
}

func newRig(t *testing.T, numbers string) *rig {
	t.Helper()
	r := &rig{app: config.Default(), changed: make(chan struct{}), now: epoch, looks: make(chan struct{}, 1000),
		busy: make(chan struct{})}
	r.configure(t, numbers)
	r.slots(r.app.Workers)
	r.Scaler = New(Options{
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Warn: func(text string) { r.warning = text },
		App: func() config.App { r.mu.Lock(); defer r.mu.Unlock(); return r.app },
		Changed: func() <-chan struct{} {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.changed
		},
		Pool: func() Pool { return r }, Listeners: func() Listeners { return r },
		Slowness: func(time.Time) float64 { return 0 }, Now: func() time.Time { return r.now },
	})
	return r
}

func (r *rig) configure(t *testing.T, numbers string) {
	t.Helper()
	parsed, err := config.ParseWorkerRange(numbers)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.app.Workers, r.app.MostWorkers = parsed.Least, parsed.Most
	close(r.changed)
	r.changed = make(chan struct{})
}

// slots makes a pool of n workers that serve.
func (r *rig) slots(n int) {
	r.status = pool.Status{State: string(machine.Running), Slots: n}
	for slot := range n {
		r.status.Workers = append(r.status.Workers,
			pool.Worker{ID: string(rune('a' + slot)), Slot: slot, PID: os.Getpid(), State: string(machine.Serving)})
	}
}

func (r *rig) Status() (pool.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.looks <- struct{}{}:
	default:
	}
	return r.status, nil
}

func (r *rig) ResizeFor(reason string, target func(int) (int, error)) (from, to int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from = r.status.Slots
	if to, err = target(from); err == nil {
		r.slots(to)
		r.resized = append(r.resized, reason)
	}
	return from, to, err
}

func (r *rig) LoadAbove(float64) (<-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy, nil
}

func (r *rig) Queues() listeners.Queues { return r.queues }

func (r *rig) AwaitClient(ctx context.Context) error { <-ctx.Done(); return nil }

// lookFor looks as often as it wants to for a time that passes at once.
func (r *rig) lookFor(d *autoscale.Decider, m *meter, length time.Duration) {
	for end := r.now.Add(length); r.now.Before(end); {
		status, _ := r.Status()
		// This process is busy with the test; its workers are not.
		m.used = nil
		r.now = r.now.Add(r.look(d, m, status).Next)
	}
}

// TestGrowsAndShrinks: with the queue, and after it, one by one.
func TestGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	r := newRig(t, "1..3")
	d, m := autoscale.New(autoscale.Bounds{Min: 1, Max: 3}, r.now, 1), &meter{o: r.o}
	r.follow(r.numbers())
	r.queues.Waiting = 4
	r.lookFor(d, m, 5*time.Second)
	if r.status.Slots != 3 || !strings.Contains(r.resized[0], "waiting connections: 4") {
		t.Fatalf("%d workers for %q", r.status.Slots, r.resized)
	}
	var s control.Status
	if r.Describe(&s); s.Scale == nil || s.Scale.Max != 3 || s.Scale.Fixed || s.Scale.Reason != r.resized[1] {
		t.Errorf("the status says %+v", s.Scale)
	}
	r.queues.Waiting = 0
	r.lookFor(d, m, 9*time.Minute)
	if r.status.Slots != 3 {
		t.Errorf("%d workers after nine minutes", r.status.Slots)
	}
	r.lookFor(d, m, 2*time.Minute+30*time.Second)
	if r.status.Slots != 2 {
		t.Errorf("%d workers after eleven minutes: %q", r.status.Slots, r.resized)
	}
	r.lookFor(d, m, 2*time.Minute)
	if r.status.Slots != 1 || len(r.resized) != 4 {
		t.Errorf("%d workers in the end: %q", r.status.Slots, r.resized)
	}
}

// TestHeld: nothing is decided in a roll, on probation, and while the pool starts.
func TestHeld(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(s *pool.Status){
		"roll":      func(s *pool.Status) { s.State, s.Rolling = "rolling", &pool.Info{} },
		"probation": func(s *pool.Status) { s.Canary = &pool.Canary{} },
		"boot":      func(s *pool.Status) { s.State = string(machine.Booting) },
	} {
		r := newRig(t, "1..3")
		d, m := autoscale.New(autoscale.Bounds{Min: 1, Max: 3}, r.now, 1), &meter{o: r.o}
		r.queues.Waiting = 4
		hold(&r.status)
		r.lookFor(d, m, time.Minute)
		if r.status.Slots != 1 {
			t.Errorf("%s: %d workers", name, r.status.Slots)
		}
	}
}

// TestMemory: no worker for which there is no memory, the reserve included.
func TestMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, "1..3")
	d, m := autoscale.New(autoscale.Bounds{Min: 1, Max: 3}, r.now, 1), &meter{o: r.o}
	r.queues.Waiting, r.app.Limits.MemoryReserve = 4, 1<<60
	r.lookFor(d, m, 10*time.Second)
	if r.status.Slots != 1 {
		t.Fatalf("%d workers although memory is short", r.status.Slots)
	}
	const text = "memory is short: the load needs 2 workers, and there is memory for 1"
	if want := text + "; free memory, or lower memory_reserve (1048576TiB)"; r.warning != want {
		t.Errorf("the status warns %q, want %q", r.warning, want)
	}
	if n := strings.Count(r.log.String(), text); n != 1 {
		t.Errorf("the log has it %d times:\n%s", n, &r.log)
	}
	r.app.Limits.MemoryReserve = 0
	r.lookFor(d, m, 10*time.Second)
	if r.status.Slots != 3 {
		t.Errorf("%d workers although there is memory", r.status.Slots)
	}
	if r.lookFor(d, m, time.Minute); r.warning != "" {
		t.Errorf("the status warns %q although there is memory", r.warning)
	}
}

// TestFixed: a number that a user has set stays, also under the next master, until the user
// or the configuration says another thing.
func TestFixed(t *testing.T) {
	t.Parallel()
	r := newRig(t, "1..3")
	decides := func(r *rig) bool { return r.follow(r.numbers()) }
	if !decides(r) {
		t.Error("the load does not decide")
	}
	r.decided("waiting connections", r.now)
	undo := r.Fix(true)
	if decides(r) {
		t.Error("the load decides all the same")
	}
	var refused control.Status
	undo()
	if r.Describe(&refused); !decides(r) || refused.Scale.Reason != "waiting connections" {
		t.Errorf("after a number that was refused the status says %+v", refused.Scale)
	}
	for _, fixed := range []bool{true, false} {
		var s control.Status
		r.decided("waiting connections", r.now)
		r.Fix(fixed)
		if r.Describe(&s); s.Scale.Reason != "" || !s.Scale.At.IsZero() {
			t.Errorf("after the user's number the status gives the reason of an older one: %+v", s.Scale)
		}
	}
	r.Fix(true)
	next := newRig(t, "1..3")
	next.TakeOver(r.Legacy())
	if next.follow(next.numbers()) {
		t.Error("the load decides under the next master")
	}
	var s control.Status
	if next.Describe(&s); !s.Scale.Fixed {
		t.Error("the status does not say it")
	}
	if next.Fix(false); !next.follow(next.numbers()) {
		t.Error("the load does not decide again")
	}
	next.Fix(true)
	next.configure(t, "1..4")
	if !next.follow(next.numbers()) {
		t.Error("another configuration changes nothing")
	}
	next.configure(t, "2")
	if next.follow(next.numbers()) || next.Legacy() != nil {
		t.Error("the load decides on a fixed number")
	}
	next.TakeOver([]byte("{"))
	if next.state != (state{}) {
		t.Errorf("%+v of a broken legacy", next.state)
	}
}

// TestRunLooksOnlyWhereTheLoadDecides: with one number it never looks at the pool.
func TestRunLooksOnlyWhereTheLoadDecides(t *testing.T) {
	t.Parallel()
	r := newRig(t, "2")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	for range 3 { // all but the last are taken: it has looked at the configuration meanwhile
		r.wake <- struct{}{}
	}
	if len(r.looks) > 0 {
		t.Error("looks at a pool of a fixed number")
	}
	r.configure(t, "2..4")
	select {
	case <-r.looks:
	case <-time.After(tooLong):
		t.Fatal("does not look")
	}
	cancel()
	<-ended
}

// TestBusyWorkerEndsTheQuiet: the wait for a client ends when a worker reports that it is busy.
func TestBusyWorkerEndsTheQuiet(t *testing.T) {
	t.Parallel()
	r := newRig(t, "1..3")
	ended := make(chan bool)
	go func() { ended <- r.await(t.Context(), r.o.Changed()) }()
	select {
	case load := <-ended:
		t.Fatalf("it did not wait, and says %v", load)
	default:
	}
	close(r.busy)
	if !<-ended {
		t.Error("it says that there is no load")
	}
}
