package prove

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faulty is a pool whose signals can be made to fail.
type faulty struct {
	*pool
	before func(id string, sig syscall.Signal) error // nil error: send the signal
}

func (f *faulty) Signal(ctx context.Context, id string, sig syscall.Signal) error {
	if err := f.before(id, sig); err != nil {
		return err
	}
	return f.pool.Signal(ctx, id, sig)
}

// allRun says whether no worker of a pool is stopped.
func allRun(t *testing.T, p *pool) {
	t.Helper()
	workers, _ := p.Workers(t.Context())
	for _, w := range workers {
		if stopped, err := allStopped(w.PID); err != nil || stopped {
			t.Errorf("worker %s: stopped %v, %v", w.ID, stopped, err)
		}
	}
}

func TestKillHoldsButLosesNothing(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			p := newPool(t, twoPhase, network, 2)
			// MinRequests: on a busy machine, where a replacement takes longer, the run does so, too.
			r := prove(t, Options{URL: p.url(), Clients: 16, Pause: 5 * time.Millisecond, Target: p, Kill: true,
				KillEvery: 100 * time.Millisecond, Duration: 600 * time.Millisecond, MinRequests: 500})
			if r.Lost() != 0 {
				t.Errorf("lost: %+v\n%+v", r.Total.Lost, r.Samples)
			}
			if r.Total.Held == 0 {
				t.Error("no killed worker held a request")
			}
			k := r.Kills
			if k.Attribution != BySockets || k.ByTime != 0 {
				t.Errorf("attribution by %s: %s", k.Attribution, k.AttributionReason)
			}
			if k.Count < 2 || k.Failed+k.Unrecovered > 0 || k.RecoveryMedian <= 0 || k.RecoveryMax < k.RecoveryMedian {
				t.Errorf("kills: %+v", *k)
			}
		})
	}
}

// late is a pool that stops a worker only some time after it has said so, and says that it has killed one only some
// time after it has.
type late struct {
	*pool
	stopping time.Time // when the stop of the worker that is next was asked for
	stop     *time.Timer
	ran      atomic.Int64
}

func (l *late) Signal(ctx context.Context, id string, sig syscall.Signal) error {
	const while = 5 * time.Millisecond
	switch sig {
	case syscall.SIGSTOP:
		l.stopping = time.Now()
		l.stop = time.AfterFunc(while, func() { _ = l.pool.Signal(ctx, id, sig) })
		return nil
	case syscall.SIGCONT: // what comes after it would stop the worker for good
		l.stop.Stop()
	case syscall.SIGKILL:
		l.mu.Lock()
		pid := l.workers[id].PID
		l.mu.Unlock()
		// A timer of a busy machine may be too late for the prover's patience.
		inTime := l.stopping.IsZero() || time.Since(l.stopping) < time.Second/2
		if stopped, err := allStopped(pid); err == nil && !stopped && inTime {
			l.ran.Add(1)
		}
		l.stopping = time.Time{}
		defer time.Sleep(while)
	}
	return l.pool.Signal(ctx, id, sig)
}

// TestKillByLateMaster: no worker is killed that may accept a connection after its connections were listed, and what
// breaks before the master has answered is held, too.
func TestKillByLateMaster(t *testing.T) {
	l := &late{pool: newPool(t, twoPhase, "unix", 2)}
	r := proveTried(t, Options{URL: l.url(), Clients: 4, Pause: time.Millisecond, Target: l, Kill: true,
		KillEvery: 50 * time.Millisecond, Duration: 250 * time.Millisecond})
	if n := l.ran.Load(); n > 0 {
		t.Errorf("%d of %d killed workers still ran", n, r.Kills.Count)
	}
	if r.Lost() != 0 || r.Total.Held == 0 || r.Kills.Failed > 0 {
		t.Errorf("lost %d, held %d, kills %+v: %+v", r.Lost(), r.Total.Held, *r.Kills, r.Samples)
	}
}

// TestStoppedWorkersGoOn: whatever fails after the SIGSTOP, the worker is continued.
func TestStoppedWorkersGoOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("the master is gone")
	for name, works := range map[string]func(syscall.Signal) bool{
		"only SIGKILL fails":    func(s syscall.Signal) bool { return s != syscall.SIGKILL },
		"all but SIGSTOP fails": func(s syscall.Signal) bool { return s == syscall.SIGSTOP },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, twoPhase, "tcp", 1)
			f := &faulty{pool: p, before: func(_ string, sig syscall.Signal) error {
				if works(sig) {
					return nil
				}
				return broken
			}}
			r := proveTried(t, Options{URL: p.url(), Clients: 2, Pause: time.Millisecond, Target: f, Kill: true,
				KillEvery: 50 * time.Millisecond, Duration: 200 * time.Millisecond})
			allRun(t, p)
			if r.Kills.Count != 0 || r.Kills.Failed == 0 || !strings.Contains(r.Kills.Errors[0], broken.Error()) {
				t.Errorf("kills: %+v", *r.Kills)
			}
			if r.Lost()+int(r.Total.Held) > 0 {
				t.Errorf("lost %d, held %d, though nobody was killed", r.Lost(), r.Total.Held)
			}
		})
	}
}

// TestStopThatFailedButArrived: the master stops the worker and then returns an error.
func TestStopThatFailedButArrived(t *testing.T) {
	p := newPool(t, twoPhase, "tcp", 1)
	f := &faulty{pool: p}
	f.before = func(id string, sig syscall.Signal) error {
		if sig == syscall.SIGSTOP {
			_ = p.Signal(t.Context(), id, sig)
			return errors.New("timed out")
		}
		return nil
	}
	r := proveTried(t, Options{URL: p.url(), Clients: 2, Pause: time.Millisecond, Target: f, Kill: true,
		KillEvery: 20 * time.Millisecond, Duration: 100 * time.Millisecond})
	allRun(t, p)
	if r.Kills.Count != 0 || r.Kills.Failed == 0 || r.Lost() > 0 {
		t.Errorf("kills %+v, lost %d", *r.Kills, r.Lost())
	}
}

func TestCancelWhileStopped(t *testing.T) {
	p := newPool(t, twoPhase, "tcp", 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var killed atomic.Bool
	f := &faulty{pool: p}
	f.before = func(id string, sig syscall.Signal) error {
		switch sig {
		case syscall.SIGSTOP:
			err := p.Signal(ctx, id, sig)
			cancel()
			return err
		case syscall.SIGKILL:
			killed.Store(true)
		}
		return nil
	}
	_, err := Run(ctx, Options{URL: p.url(), Clients: 2, Target: f, Kill: true, KillEvery: 20 * time.Millisecond,
		Duration: tooLong})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if killed.Load() {
		t.Error("killed a worker after the end")
	}
	allRun(t, p)
}

// TestKillBehindProxy: the workers hold the proxy's connections, not the
// prover's.
func TestKillBehindProxy(t *testing.T) {
	t.Parallel()
	p := newPool(t, twoPhase, "tcp", 2)
	front := newProxy(t, p.listener.Addr().String())
	r := prove(t, Options{URL: "http://" + front, Clients: 8, Pause: 5 * time.Millisecond, Target: p, Kill: true,
		Connections: KeepAlive, KillEvery: 100 * time.Millisecond, Duration: 500 * time.Millisecond})
	if r.Kills.Attribution != ByTime || !strings.Contains(r.Kills.AttributionReason, "proxy") {
		t.Errorf("attribution by %s: %s", r.Kills.Attribution, r.Kills.AttributionReason)
	}
	if r.Total.Held == 0 || r.Lost() > 0 {
		t.Errorf("held %d, lost %d: %+v", r.Total.Held, r.Lost(), r.Samples)
	}
}

// newProxy passes bytes between its clients and an address.
func newProxy(t *testing.T, to string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close()
				app, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer app.Close()
				wg.Go(func() {
					_, _ = io.Copy(app, client)
					app.Close()
				})
				_, _ = io.Copy(client, app)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// TestKillNeverHidesOtherLosses: a request that breaks on a connection that no killed worker held
// is lost, even at the time of a kill.
func TestKillNeverHidesOtherLosses(t *testing.T) {
	p := newPool(t, twoPhase, "tcp", 1)
	l, err := prepare(Options{URL: p.url(), Target: p, Kill: true})
	if err != nil {
		t.Fatal(err)
	}
	k := newKiller(l, "")
	workers, _ := p.Workers(t.Context())
	inside, outside := newClient(l, KeepAlive, 0), newClient(l, KeepAlive, 1)
	s := newRawServer(t, "tcp", nil)
	connect(t, inside, p.listener.Addr())
	connect(t, outside, s.Addr())
	defer inside.hangUp(false)
	defer outside.hangUp(false)
	if _, err := k.kill(t.Context(), workers[0]); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if !inside.holds(now) || outside.holds(now) {
		t.Errorf("held by the killed worker: own %v, other %v", inside.holds(now), outside.holds(now))
	}
}

// connect opens a client's connection to an address and sends a request, which is answered.
func connect(t *testing.T, c *client, to net.Addr) {
	t.Helper()
	c.endpoint.use(to.(*net.TCPAddr).AddrPort())
	deadline := time.Now().Add(tooLong)
	if err := c.dial(t.Context(), time.Now(), deadline); err != nil {
		t.Fatal(err)
	}
	if _, err := c.exchange(deadline); err != nil {
		t.Fatal(err)
	}
}

// TestShortRunKills: a run that would be over before the first kill lasts until then.
func TestShortRunKills(t *testing.T) {
	p := newPool(t, twoPhase, "tcp", 2)
	r := prove(t, Options{URL: p.url(), Clients: 2, Pause: time.Millisecond, Target: p, Kill: true,
		KillEvery: 100 * time.Millisecond, Duration: time.Millisecond})
	if r.Kills.Count != 1 || r.Lost() > 0 {
		t.Errorf("kills: %+v, lost %d", *r.Kills, r.Lost())
	}
}
