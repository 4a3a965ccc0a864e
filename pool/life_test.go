package pool_test

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// The events of a worker's whole life, complete and in order.
func TestLives(t *testing.T) {
	tests := []struct {
		name  string
		lives func(*pooltest.Process)
		end   func(*rig, *pooltest.Process)
		want  string
	}{
		{
			"asked by signal", pooltest.Obedient, func(r *rig, _ *pooltest.Process) { r.Stop() },
			"fork online listening ready draining exit",
		}, {
			"asked by message", pooltest.Polite, func(r *rig, _ *pooltest.Process) { r.Stop() },
			"fork online listening ready draining drained disconnect exit",
		}, {
			"drains for too long", pooltest.Stubborn, func(r *rig, _ *pooltest.Process) { r.Stop() },
			"fork online listening ready draining killing exit",
		}, {
			"forced", pooltest.Obedient, func(r *rig, _ *pooltest.Process) { r.Force() },
			"fork online listening ready draining killing exit",
		}, {
			"killed from outside", pooltest.Obedient, func(_ *rig, p *pooltest.Process) { p.Die(syscall.SIGKILL) },
			"fork online listening ready exit",
		}, {
			"leaves by itself", pooltest.Obedient, func(_ *rig, p *pooltest.Process) {
				p.Say(ipc.Draining{Open: 3})
				p.Say(ipc.Drained{})
				p.Exit(0)
			},
			"fork online listening ready draining drained exit",
		}, {
			"closes its channel", pooltest.Obedient, func(r *rig, p *pooltest.Process) {
				p.Disconnect("not JSON")
				r.Stop()
			},
			"fork online listening ready disconnect draining exit",
		}, {
			"never ready", func(p *pooltest.Process) {
				if p.Order.ID == "1" {
					pooltest.Mute(p)
				} else {
					pooltest.Obedient(p)
				}
			}, func(*rig, *pooltest.Process) { pass(30 * time.Second) },
			"fork online stopping exit",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := pooltest.NewRelease("v1", test.lives)
				r := start(t, 2, release, func(o *pool.Options) { o.Release.(*pooltest.Release).ListensOn(":80") })
				test.end(r, release.Process(1))
				select {
				case <-r.ran:
				case <-time.After(time.Minute):
				}
				events := r.of(1)
				wantEqual(t, "events", words(events), test.want)
				for _, e := range events {
					if e.App != "web" || e.PID != 1001 || *e.Slot != 0 || e.Generation != 1 || e.Time.IsZero() {
						t.Errorf("event %q is not of this worker: %+v", e.Kind, e)
					}
				}
			})
		})
	}
}

// The fields of the events of a life.
func TestLifeDetails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		r := start(t, 1, release, func(o *pool.Options) { o.Release.(*pooltest.Release).ListensOn(":80", ":443") })
		p := release.Process(1)
		p.Online()
		pass(1500 * time.Millisecond)
		p.Ready()
		ready := r.last(pool.KindReady)
		wantEqual(t, "ready by", ready.How, "notify")
		wantEqual(t, "ready after", *ready.DurationMS, 1500)
		wantEqual(t, "addresses", r.last(pool.KindListening).Addresses, []string{":80", ":443"})
		p.Say(ipc.Load{Value: 0.9, Measured: true})
		worker := r.status().Workers[0]
		wantEqual(t, "load", *worker.Load, 0.9)
		wantEqual(t, "measured", worker.LoadMeasured, true)
		p.Disconnect("line too long")
		wantEqual(t, "load without a channel", r.status().Workers[0].Load == nil, true)
		wantEqual(t, "disconnect", r.last(pool.KindDisconnect).Reason, "line too long")
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		wantEqual(t, "draining because", r.last(pool.KindDraining).Reason, "the pool stops")
		pass(30 * time.Second)
		wantEqual(t, "killing because", r.last(pool.KindKilling).Reason, "drain timeout")
		p.Exit(0)
		exit := r.last(pool.KindExit)
		wantEqual(t, "code", *exit.Code, 0)
		wantEqual(t, "planned", *exit.Planned, true)
	})
}

func TestNoListeningWithoutAddresses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		wantEqual(t, "events", words(r.of(1)), "fork online ready")
	})
}

// A worker that announces that it leaves, and exits without an error, has not died.
func TestLeavesByItself(t *testing.T) {
	for code, planned := range map[int]bool{0: true, 3: false} {
		bubble(t, func(t *testing.T) {
			release := pooltest.NewRelease("v1", pooltest.Obedient)
			r := start(t, 1, release)
			p := release.Process(1)
			p.Say(ipc.Draining{})
			pass(time.Second)
			wantEqual(t, "states", r.states(), "0/1 draining, 0/2 serving")
			p.Exit(code)
			pass(time.Second)
			wantEqual(t, "planned", *r.last(pool.KindExit).Planned, planned)
		})
	}
}

// A report that comes after the worker's exit changes nothing.
func TestReportsAfterExit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		p := release.Process(1)
		p.Exit(0)
		before := words(r.events())
		p.Online()
		p.Ready()
		p.Say(ipc.Hello{})
		p.Say(ipc.Draining{})
		p.Say(ipc.App{Data: []byte(`1`)})
		p.Disconnect("late")
		wantEqual(t, "events", words(r.events()), before)
		wantEqual(t, "states", r.states(), "0/2 serving")
	})
}

// The pool gives up a worker that survives SIGKILL. It announces to the others that this worker is
// no longer in the pool.
func TestAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		r := start(t, 2, release)
		for _, p := range release.Living() {
			p.Ready()
		}
		if _, _, err := r.Resize(to(1)); err != nil {
			t.Fatal(err)
		}
		one, two := release.Process(1), release.Process(2)
		pass(30 * time.Second)
		wantEqual(t, "asked", two.Labels(), []string{"terminate", "kill"})
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 killing")
		before := len(two.States())
		pass(10 * time.Second)
		wantEqual(t, "states", r.states(), "0/1 serving")
		wantEqual(t, "events", words(r.of(2)), "fork ready draining killing abandoned")
		states := one.States()
		wantEqual(t, "the other knows", len(states[len(states)-1].Workers), 1)
		one.Say(ipc.Hello{Protocol: 1})
		synctest.Wait()
		wantEqual(t, "states announced to one that is given up", len(two.States()), before)
		two.Exit(0)
		wantEqual(t, "events after its late end", words(r.of(2)), "fork ready draining killing abandoned")
		r.Stop()
		synctest.Wait()
		one.Exit(0)
		<-r.ran
	})
}

// slowToReturn is a release whose workers run before Start has returned.
type slowToReturn struct{ *pooltest.Release }

func (r slowToReturn) Start(o pool.Order, sink func(pool.Report)) (pool.Process, error) {
	p, err := r.Release.Start(o, sink)
	time.Sleep(time.Second)
	return p, err
}

// A report that comes before the pool knows the process is kept until it does.
func TestReportsBeforeStartReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.ServesFor(500*time.Millisecond))
		r := start(t, 1, release, func(o *pool.Options) { o.Release = slowToReturn{release} })
		wantEqual(t, "events", words(r.of(1)), "")
		pass(time.Second)
		wantEqual(t, "events", words(r.of(1)), "fork online ready")
		wantEqual(t, "pid", r.last(pool.KindReady).PID, 1001)
		pass(500 * time.Millisecond)
		wantEqual(t, "events", words(r.of(1)), "fork online ready exit")
	})
}

// A request to a process that does not exist yet is done as soon as the process exists.
func TestWantedBeforeStarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		resume := release.HoldStart()
		r := start(t, 1, release)
		wantEqual(t, "states", r.states(), "0/1 starting")
		wantEqual(t, "pid", r.status().Workers[0].PID, 0)
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		pass(5 * time.Second)
		wantEqual(t, "states", r.states(), "0/1 killing, 0/- empty")
		resume()
		synctest.Wait()
		p := release.Process(1)
		wantEqual(t, "asked", p.Labels(), []string{"terminate", "kill"})
		p.Die(syscall.SIGKILL)
		<-r.ran
		wantEqual(t, "events", words(r.of(1)), "stopping killing fork exit")
	})
}

// A start hangs for longer than the pool waits. If it makes a process later, that is killed; the
// release is closed only then.
func TestStartThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		slow := r.release("v2", nil)
		resume := slow.HoldStart()
		result := <-r.roll(slow)
		wantEqual(t, "roll", []any{result.Result, result.Reason}, []any{machine.RolledBack, "not ready within 30s"})
		pass(15 * time.Second)
		wantEqual(t, "states", r.states(), "0/1 serving")
		wantEqual(t, "closed while it starts", slow.Closed(), 0)
		resume()
		synctest.Wait()
		wantEqual(t, "asked", slow.Process(2).Labels(), []string{"terminate", "kill"})
		_, err := r.Signal(pool.Target{ID: "2"}, syscall.SIGUSR1)
		wantEqual(t, "signal to it", err, "cannot reach worker 2: pool: no such worker")
		wantEqual(t, "closed while it lives", slow.Closed(), 0)
		slow.Process(2).Die(syscall.SIGKILL)
		wantEqual(t, "events", words(r.of(2)), "stopping killing abandoned")
		wantEqual(t, "closed", slow.Closed(), 1)
		wantEqual(t, "announced to it", len(slow.Process(2).States()), 0)
	})
}

// The same at the end of the pool: no caller waits, and a worker that starts late is killed.
func TestStartThatHangsAtTheEnd(t *testing.T) {
	for name, err := range map[string]error{"succeeds": nil, "fails": errors.New("no memory")} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := pooltest.NewRelease("v1", nil)
				resume := release.HoldStart()
				p := pool.New(pool.Options{Release: release})
				ran := make(chan error)
				go func() { ran <- p.Run(t.Context()) }()
				if err := p.Force(); err != nil {
					t.Error(err)
				}
				<-ran
				wantEqual(t, "closed while it starts", release.Closed(), 0)
				release.Fail("start", err)
				resume()
				synctest.Wait()
				if err == nil {
					wantEqual(t, "asked", release.Process(1).Labels(), []string{"kill"})
					release.Process(1).Exit(0)
				}
			})
		})
	}
}

// A worker whose channel is closed is asked to leave by signal.
func TestDrainWithoutChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 1, release)
		release.Fail("send", ipc.ErrClosed)
		began := time.Now()
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		<-r.ran
		wantEqual(t, "time", time.Since(began), time.Duration(0))
		wantEqual(t, "asked", release.Process(1).Labels(), []string{"send drain", "terminate"})
	})
}

// The drain message contains the time that is left.
func TestDrainDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 1, release, func(o *pool.Options) { o.Patience.DrainTimeout = 7 * time.Second })
		r.Stop()
		<-r.ran
		for _, c := range release.Process(1).Calls() {
			if m, ok := c.Message.(ipc.Drain); ok {
				wantEqual(t, "deadline", m.DeadlineMS, 7000)
				return
			}
		}
		t.Error("no drain message")
	})
}

// A signal that could not be sent is no event; the exit of the process is.
func TestSignalsThatFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		release.Fail("terminate", syscall.ESRCH)
		release.Fail("kill", syscall.ESRCH)
		r.Stop()
		pass(30 * time.Second)
		wantEqual(t, "asked", release.Process(1).Labels(), []string{"terminate", "kill"})
		release.Process(1).Exit(0)
		<-r.ran
		wantEqual(t, "Run", r.err, nil)
	})
}
