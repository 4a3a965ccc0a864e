package pool_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

func TestBoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		readied := 0
		r := start(t, 3, pooltest.NewRelease("v1", pooltest.Obedient), func(o *pool.Options) {
			o.Release.(*pooltest.Release).ListensOn("127.0.0.1:8080")
			o.OnReady = func() { readied++ }
		})
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving, 2/3 serving")
		status := r.status()
		wantEqual(t, "state", status.State, machine.Running)
		wantEqual(t, "generation", status.Generation, 1)
		wantEqual(t, "slots", status.Slots, 3)
		for i, w := range status.Workers {
			wantEqual(t, "pid", w.PID, 1001+i)
			wantEqual(t, "release", *w.Release, pool.Info{Path: "/srv/app", SHA256: "5eedv1", Version: "v1"})
			if w.Started.IsZero() || w.Ready.IsZero() {
				t.Errorf("worker %s: started %v, ready %v", w.ID, w.Started, w.Ready)
			}
		}
		wantEqual(t, "calls of OnReady", readied, 3)
		started := r.last(pool.KindStarted)
		wantEqual(t, "started", started.Addresses, []string{"127.0.0.1:8080"})
		wantEqual(t, "generation of started", started.Generation, 1)
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		<-r.ran
		wantEqual(t, "Run", r.err, nil)
		wantEqual(t, "last event", r.last(pool.KindStopped).Kind, pool.KindStopped)
	})
}

func TestBootFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", func(p *pooltest.Process) {
			p.Online()
			p.Write("open /etc/app.conf: no such file")
			p.End(pool.Exited{Status: pool.ExitStatus{Code: 78}, Hint: "look at /etc/app.conf"})
		}))
		<-r.ran
		var failed *pool.StartError
		if !errors.As(r.err, &failed) {
			t.Fatalf("Run: %v, want a StartError", r.err)
		}
		wantEqual(t, "error", r.err, "cannot start: no worker got ready: exit status 78\n"+
			"  look at /etc/app.conf\n  last output:\n    open /etc/app.conf: no such file")
		event := r.last(pool.KindStartFailed)
		wantEqual(t, "event", []string{event.Reason, event.Hint, event.Tail[0]},
			[]string{failed.Reason, failed.Hint, failed.Tail[0]})
		for _, e := range r.events() {
			if e.Kind == pool.KindStarted {
				t.Error("a pool whose start failed is reported as started")
			}
		}
	})
}

func TestBootNeverReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Mute))
		<-r.ran
		wantEqual(t, "time", time.Since(began), 30*time.Second)
		if r.err == nil || !strings.Contains(r.err.Error(), "not ready within 30s\n  a worker is ready when it accepts") {
			t.Errorf("Run: %v; want the ways to get ready", r.err)
		}
	})
}

func TestBootObstructed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", func(p *pooltest.Process) {
			p.Obstructed("it listens elsewhere")
			pooltest.Mute(p)
		}))
		<-r.ran
		if r.err == nil || !strings.HasSuffix(r.err.Error(), "not ready within 30s\n  it listens elsewhere") {
			t.Errorf("Run: %v; want what keeps the worker from getting ready", r.err)
		}
	})
}

func TestBootStartError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		release.Fail("start", errors.New("cannot start a process: resource temporarily unavailable"))
		r := start(t, 1, release)
		<-r.ran
		wantEqual(t, "Run", r.err, "cannot start: no worker got ready: cannot start a process: "+
			"resource temporarily unavailable")
		wantEqual(t, "events", words(r.of(1)), "exit")
		exit := r.last(pool.KindExit)
		if exit.Code != nil || exit.Signal != "" || exit.PID != 0 {
			t.Errorf("exit of a worker that never started: %+v", exit)
		}
	})
}

// One slot that cannot start does not keep the others from serving.
func TestBootOneFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", func(p *pooltest.Process) {
			if p.Order.ID == "2" {
				time.Sleep(time.Millisecond) // the other worker serves by then
				p.Exit(1)
				return
			}
			pooltest.Obedient(p)
		}))
		pass(time.Millisecond)
		wantEqual(t, "states", r.states(), "0/1 serving, 1/3 serving")
		w := r.status().Workers[1]
		wantEqual(t, "respawns", w.Respawns, 1)
		wantEqual(t, "last exit", w.LastExit, "exit status 1")
		wantEqual(t, "respawns of the other", r.status().Workers[0].Respawns, 0)
		r.last(pool.KindStarted)
	})
}

func TestStopWhileBooting(t *testing.T) {
	for name, stop := range map[string]func(*rig) error{
		"stop":   func(r *rig) error { return r.Stop() },
		"force":  func(r *rig) error { return r.Force() },
		"cancel": func(r *rig) error { r.cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := start(t, 2, pooltest.NewRelease("v1", pooltest.Mute))
				wantEqual(t, "state", r.status().State, machine.Booting)
				if err := stop(r); err != nil {
					t.Error(err)
				}
				<-r.ran
				wantEqual(t, "Run", r.err, nil)
			})
		})
	}
}

// A graceful stop waits for a drain; force ends the wait.
func TestStopThenForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Stubborn)
		r := start(t, 2, release)
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		pass(10 * time.Second)
		wantEqual(t, "states", r.states(), "0/1 draining, 0/- empty, 1/2 draining, 1/- empty")
		wantEqual(t, "state", r.status().State, machine.Halting)
		began := time.Now()
		if err := r.Force(); err != nil {
			t.Error(err)
		}
		<-r.ran
		wantEqual(t, "time from force to end", time.Since(began), time.Duration(0))
		wantEqual(t, "asked", release.Process(1).Labels(), []string{"terminate", "kill"})
		wantEqual(t, "planned", *r.last(pool.KindExit).Planned, true)
	})
}

// The end of Run's context ends the wait for drains.
func TestCancelKills(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Stubborn)
		r := start(t, 1, release)
		began := time.Now()
		r.cancel()
		<-r.ran
		wantEqual(t, "Run", r.err, nil)
		wantEqual(t, "time", time.Since(began), time.Duration(0))
	})
}

func TestRespawn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		pass(time.Minute)
		release.Process(1).Die(syscall.SIGSEGV)
		wantEqual(t, "states after a death", r.states(), "0/2 serving")
		exit := r.last(pool.KindExit)
		wantEqual(t, "signal", exit.Signal, "SIGSEGV")
		wantEqual(t, "planned", *exit.Planned, false)
		wantEqual(t, "wait", *r.last(pool.KindRespawn).AfterMS, 0)

		release.Process(2).Exit(3)
		w := r.status().Workers[0]
		wantEqual(t, "state after two", w.State, machine.Backoff)
		wantEqual(t, "worker", w.ID+"/"+w.LastExit.String(), "/exit status 3")
		wantEqual(t, "respawns", w.Respawns, 2)
		respawn := r.last(pool.KindRespawn)
		wait := time.Duration(*respawn.AfterMS) * time.Millisecond
		if wait < 250*time.Millisecond || *respawn.Slot != 0 || respawn.Reason != "exit status 3" {
			t.Errorf("respawn event: %+v", respawn)
		}
		wantEqual(t, "due", time.Until(w.Retry).Truncate(time.Millisecond), wait)
		pass(time.Until(w.Retry))
		wantEqual(t, "states after the wait", r.states(), "0/3 serving")
	})
}

// An idle pool has nothing to wake up for.
func TestIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 2, release)
		before := len(r.events())
		calls := len(release.Process(1).Calls())
		pass(24 * time.Hour)
		wantEqual(t, "events of a day", len(r.events())-before, 0)
		wantEqual(t, "calls of a day", len(release.Process(1).Calls())-calls, 0)
	})
}

func TestStatusOfTheWorkersThemselves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		r := start(t, 1, release)
		p := release.Process(1)
		p.Online()
		p.Ready()
		p.Say(ipc.Status{Text: "7 jobs"})
		wantEqual(t, "text", r.status().Workers[0].Text, "7 jobs")
		wantEqual(t, "event", r.last(pool.KindStatus).Text, "7 jobs")
		wantEqual(t, "load", r.status().Workers[0].Load == nil, true)
		for said, want := range map[float64]float64{0.7: 0.7, -1: 0, 1e300: 1e6} {
			p.Say(ipc.Load{Value: said})
			wantEqual(t, "load", *r.status().Workers[0].Load, want)
		}
		p.Say(ipc.Load{Value: 0.8})
		rings, err := r.LoadAbove(0.8)
		for _, said := range []float64{0.8, 0.1, 0.9} {
			wantEqual(t, "rings", closed(rings) || err != nil, false)
			p.Say(ipc.Load{Value: said})
			synctest.Wait()
		}
		wantEqual(t, "rings", closed(rings), true)
		rings, _ = r.LoadAbove(0.8)
		wantEqual(t, "rings for a load of before", closed(rings), true)
		p.Say(ipc.Load{Wrong: `"abc"`})
		p.Say(ipc.Load{Wrong: `"abc"`}) // is told once
		wantEqual(t, "load after one that is no number", *r.status().Workers[0].Load, 0.9)
		wantEqual(t, "event", r.last(pool.KindWrongLoad).Text, `it reported "abc", which is no number: send `+
			`{"relevo":"load","value":0.7}, where 0 is idle and 1 is all that it can do`)
		p.Say(ipc.App{Data: []byte(`{"a":1}`)})
		wantEqual(t, "message", string(r.last(pool.KindMessage).Data), `{"a":1}`)
		p.Say(ipc.Unknown{Kind: "later"})
		p.Ready()
		wantEqual(t, "events", words(r.of(1)), "fork online ready status wrongload message")
		go r.Stop()
		synctest.Wait()
		p.Say(ipc.Draining{Open: 12})
		wantEqual(t, "open", r.status().Workers[0].Open, 12)
		p.Say(ipc.Drained{})
		wantEqual(t, "open", r.status().Workers[0].Open, 0)
		p.Exit(0)
		<-r.ran
	})
}

func TestContextEndedBeforeRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		p := pool.New(pool.Options{Release: release})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
		wantEqual(t, "closed", release.Closed(), 1)
		wantEqual(t, "misuse", release.Misuse(), []string{})
		wantEqual(t, "living", release.Living(), []*pooltest.Process{})
	})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
