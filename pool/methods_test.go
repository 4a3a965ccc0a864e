package pool_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// methods are all methods that talk to the loop.
func methods(release *pooltest.Release) map[string]func(p *pool.Pool) error {
	return map[string]func(p *pool.Pool) error{
		"Status":    func(p *pool.Pool) error { _, err := p.Status(); return err },
		"Stop":      func(p *pool.Pool) error { return p.Stop() },
		"Force":     func(p *pool.Pool) error { return p.Force() },
		"Resize":    func(p *pool.Pool) error { _, _, err := p.Resize(to(2)); return err },
		"ResizeFor": func(p *pool.Pool) error { _, _, err := p.ResizeFor("load", to(2)); return err },
		"Configure": func(p *pool.Pool) error { return p.Configure(machine.Options{}) },
		"Roll":      func(p *pool.Pool) error { _, err := p.Roll(context.Background(), release); return err },
		"Send":      func(p *pool.Pool) error { _, err := p.Send(pool.Target{}, []byte(`1`)); return err },
		"Signal":    func(p *pool.Pool) error { _, err := p.Signal(pool.Target{}, syscall.SIGUSR1); return err },
		"LoadAbove": func(p *pool.Pool) error { _, err := p.LoadAbove(0.8); return err },
		"Subscribe": func(p *pool.Pool) error {
			_, cancel, err := p.Subscribe()
			if err == nil {
				cancel()
			}
			return err
		},
	}
}

func TestMethodsAfterRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		r.Stop()
		<-r.ran
		late := r.release("v2", nil)
		for name, call := range methods(late) {
			if err := call(r.Pool); !errors.Is(err, pool.ErrNotRunning) {
				t.Errorf("%s: %v, want ErrNotRunning", name, err)
			}
		}
		wantEqual(t, "the refused release was closed", late.Closed(), 1)
	})
}

// A method called before Run waits until Run begins, and is then done.
func TestMethodsBeforeRun(t *testing.T) {
	for name := range methods(nil) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				first, second := pooltest.NewRelease("v1", pooltest.Obedient), pooltest.NewRelease("v2", pooltest.Obedient)
				p := pool.New(pool.Options{Release: first})
				done := make(chan error, 1)
				go func() { done <- methods(second)[name](p) }()
				synctest.Wait()
				select {
				case err := <-done:
					t.Fatalf("%s returned %v before Run", name, err)
				default:
				}
				ran := make(chan error)
				go func() { ran <- p.Run(t.Context()) }()
				// Send and Signal may come before the first worker exists.
				if err := <-done; err != nil && !errors.Is(err, pool.ErrNoWorker) {
					t.Errorf("%s: %v", name, err)
				}
				p.Stop()
				<-ran
			})
		})
	}
}

// held is a pool whose loop is kept busy, so that calls wait in the order in which they were made.
type held struct {
	*rig
	resume func()
}

// hold starts a pool of n workers. Its loop stops when worker at is ready.
func hold(t *testing.T, n, at int, release *pooltest.Release) held {
	t.Helper()
	gate, count := make(chan struct{}), 0
	r := start(t, n, release, func(o *pool.Options) {
		o.OnReady = func() {
			if count++; count == at {
				<-gate
			}
		}
	})
	return held{r, func() { close(gate) }}
}

// queue calls f in the background, and returns when f waits for the loop.
func (h held) queue(f func()) {
	go f()
	synctest.Wait()
}

// A change that was made must not be reported as refused because the pool ended right afterwards.
func TestAnswerBeatsEnd(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T) {
			release := pooltest.NewRelease("v1", nil)
			h := hold(t, 1, 2, release)
			release.Process(1).Ready()
			release.Process(1).Exit(1)
			synctest.Wait()
			h.queue(release.Process(2).Ready)
			stopped := make(chan error, 1)
			h.queue(func() { release.Process(2).Exit(1) }) // backoff: no worker is left
			h.queue(func() { stopped <- h.Stop() })        // so the pool ends
			h.resume()
			wantEqual(t, "stop", <-stopped, nil)
			<-h.ran
		})
	}
}

// The same for a roll. Otherwise both sides would close its release.
func TestRollAnswerBeatsEnd(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T) {
			release := pooltest.NewRelease("v1", nil)
			h := hold(t, 2, 1, release)
			next := h.release("v2", nil)
			answer := make(chan rolled, 1)
			h.queue(release.Process(1).Ready)
			h.queue(func() {
				result, err := h.Roll(context.Background(), next)
				answer <- rolled{result, err}
			})
			h.queue(func() { release.Process(1).Exit(1) })
			h.queue(func() { release.Process(2).Exit(1) }) // the boot has failed, so the pool ends
			h.resume()
			got := <-answer
			wantEqual(t, "roll", []any{got.err, got.Result}, []any{nil, machine.Aborted})
			<-h.ran
		})
	}
}

func TestResize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		from, _, err := r.Resize(to(3))
		wantEqual(t, "from", []any{from, err}, []any{1, nil})
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving, 2/3 serving")
		event := r.last(pool.KindResize)
		wantEqual(t, "event", []int{event.From, event.To}, []int{1, 3})
		from, _, err = r.Resize(to(2))
		wantEqual(t, "from", []any{from, err}, []any{3, nil})
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving")
		wantEqual(t, "slots", r.status().Slots, 2)
		wantEqual(t, "its events", words(r.of(3)), "fork online ready draining exit")
		wantEqual(t, "reason of a user", event.Reason, "")
		if _, _, err := r.ResizeFor("waiting connections: 4", to(3)); err != nil {
			t.Error(err)
		}
		wantEqual(t, "reason of the load", r.last(pool.KindResize).Reason, "waiting connections: 4")
		r.Resize(to(2))
		_, _, err = r.Resize(to(0))
		wantEqual(t, "to none", err, "cannot scale to 0 workers: at least 1 is needed")
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving")
	})
}

func TestTargets(t *testing.T) {
	slot := func(n int) *int { return &n }
	tests := []struct {
		name   string
		target pool.Target
		want   []string // nil: none
		reason string
	}{
		{"all", pool.Target{}, []string{"1", "4"}, ""},
		{"a slot", pool.Target{Slot: slot(1)}, []string{"4"}, ""},
		{"an id", pool.Target{ID: "1"}, []string{"1"}, ""},
		{"a worker that leaves", pool.Target{ID: "3"}, []string{"3"}, ""},
		{"a slot that is gone", pool.Target{Slot: slot(2)}, nil, "cannot reach slot 2: pool: no such worker"},
		{"a worker that is gone", pool.Target{ID: "2"}, nil, "cannot reach worker 2: pool: no such worker"},
		{"a worker that never existed", pool.Target{ID: "x"}, nil, "cannot reach worker x: pool: no such worker"},
	}
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		r := start(t, 3, release)
		for _, p := range release.Living() {
			p.Ready()
		}
		release.Process(2).Exit(0)
		synctest.Wait()
		release.Process(4).Ready()
		if _, _, err := r.Resize(to(2)); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "states", r.states(), "0/1 serving, 1/4 serving, 2/3 draining")
		for _, test := range tests {
			reached, err := r.Signal(test.target, syscall.SIGUSR1)
			sent, sendErr := r.Send(test.target, []byte(`{"a": 1}`))
			if test.want == nil {
				if !errors.Is(err, pool.ErrNoWorker) || !errors.Is(sendErr, pool.ErrNoWorker) {
					t.Errorf("%s: %v, %v; want ErrNoWorker", test.name, err, sendErr)
				}
				wantEqual(t, test.name, err, test.reason)
				continue
			}
			wantEqual(t, test.name, []any{reached, err, sent, sendErr}, []any{test.want, nil, test.want, nil})
			for _, p := range release.Living() {
				want := []string{"signal", "send app"}
				if !slices.Contains(test.want, p.Order.ID) {
					want = nil
				}
				labels := p.Labels()
				got := labels[max(0, len(labels)-2):]
				if want != nil && !slices.Equal(got, want) {
					t.Errorf("%s: worker %s got %v", test.name, p.Order.ID, got)
				}
			}
		}
		calls := release.Process(1).Calls()
		wantEqual(t, "signal", lastOf(calls, "signal").Signal, syscall.SIGUSR1)
		wantEqual(t, "asked", release.Process(3).Labels(), []string{"terminate", "signal", "send app"})
		for _, p := range release.Living() {
			p.Exit(0)
		}
		synctest.Wait()
		for _, p := range release.Living() {
			p.Ready()
		}
		r.Stop()
		synctest.Wait()
		for _, p := range release.Living() {
			p.Exit(0)
		}
	})
}

func lastOf(calls []pooltest.Call, label string) pooltest.Call {
	for i := len(calls) - 1; i >= 0; i-- {
		if calls[i].Label == label {
			return calls[i]
		}
	}
	return pooltest.Call{}
}

// The error tells which workers were reached and which were not.
func TestSendPartly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		good := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 12, good)
		reached, err := r.Send(pool.Target{}, []byte(`1`))
		wantEqual(t, "reached", []any{reached, err}, []any{"[1 2 3 4 5 6 7 8 9 10 11 12]", nil})
		good.Fail("send", errors.New("channel closed"))
		reached, err = r.Send(pool.Target{ID: "7"}, []byte(`1`))
		wantEqual(t, "refused", []any{reached, err}, []any{"[]", "worker 7 (pid 1007): channel closed"})
		good.Fail("signal", syscall.EPERM)
		_, err = r.Signal(pool.Target{}, syscall.SIGUSR1)
		if !errors.Is(err, syscall.EPERM) {
			t.Errorf("signal: %v, want EPERM", err)
		}
	})
}

func TestSendRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		for _, data := range []string{``, `{`, `1 2`, `{"relevo":"drain"}`} {
			if _, err := r.Send(pool.Target{}, []byte(data)); err == nil {
				t.Errorf("%q was not refused", data)
			}
		}
		wantEqual(t, "sent", release.Process(1).Labels(), []string{})
	})
}
