package pool_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

func TestRoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 3, old)
		began := time.Now()
		result := r.mustRoll(r.release("v2", pooltest.Obedient))
		wantEqual(t, "result", result.Generation, 2)
		wantEqual(t, "from", result.From, 1)
		wantEqual(t, "replaced", result.Replaced, 3)
		wantEqual(t, "time", result.Ended.Sub(result.Started), time.Second) // the canary's probation
		wantEqual(t, "started", result.Started, began)
		wantEqual(t, "error", result.Error(), nil)
		wantEqual(t, "states", r.states(), "0/4 serving, 1/5 serving, 2/6 serving")
		wantEqual(t, "old release closed", old.Closed(), 0) // a crash storm would roll back to it
		status := r.status()
		wantEqual(t, "generation", status.Generation, 2)
		wantEqual(t, "version", status.Workers[0].Release.Version, "v2")
		wantEqual(t, "respawns", status.Workers[0].Respawns, 0)
		wantEqual(t, "last roll", *status.LastRoll, result)
	})
}

// The events of a roll, in their order.
func TestRollEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		before := len(r.events())
		r.mustRoll(r.release("v2", pooltest.Obedient))
		events := r.events()[before:]
		events = slices.DeleteFunc(events, func(e pool.Event) bool { return e.Kind != pool.KindRoll })
		wantEqual(t, "events", words(events), "roll:began roll:probation roll:canary roll:replaced roll:replaced roll:ended")
		for _, e := range events {
			wantEqual(t, "generation at "+string(e.Step), e.Generation, 2)
			switch e.Step {
			case pool.StepBegan:
				wantEqual(t, "from", e.From, 1)
			case pool.StepProbation:
				wantEqual(t, "slot, worker, lasts", []any{*e.Slot, e.ID, *e.AfterMS}, []any{0, "3", 1000})
			case pool.StepReplaced:
				wantEqual(t, "slot, of", []int{*e.Slot, e.Of}, []int{e.Done - 1, 2})
			case pool.StepEnded:
				wantEqual(t, "result", e.Result, machine.OK)
				wantEqual(t, "took", *e.DurationMS, 1000)
				wantEqual(t, "replaced", e.Done, 2)
			}
		}
	})
}

func TestRollFails(t *testing.T) {
	startFails := errors.New("cannot start a process: permission denied")
	tests := []struct {
		name  string
		lives func(*pooltest.Process)
		fault error // of start
		want  pool.RollResult
		error string
	}{
		{
			name: "dies before ready", lives: pooltest.Broken,
			want: pool.RollResult{
				Reason: "exit status 1", Worker: "3", Exit: &pool.ExitStatus{Code: 1}, Tail: []string{"panic: no database"},
			},
			error: "cannot roll to generation 2: slot 0, worker 3: exit status 1\n" +
				"  last output:\n    panic: no database\n  generation 1 keeps serving",
		}, {
			name: "dies on probation", lives: pooltest.ServesFor(time.Second / 2),
			want: pool.RollResult{
				Reason: "died on probation: exit status 1", Worker: "3", Exit: &pool.ExitStatus{Code: 1},
			},
			error: "cannot roll to generation 2: slot 0, worker 3: died on probation: exit status 1\n" +
				"  generation 1 keeps serving",
		}, {
			name: "ends with a hint", lives: func(p *pooltest.Process) {
				p.End(pool.Exited{Status: pool.ExitStatus{Signal: syscall.SIGILL, Core: true}, Hint: "built for another CPU"})
			},
			want: pool.RollResult{
				Reason: "killed by SIGILL (core dumped)", Worker: "3", Hint: "built for another CPU",
				Exit: &pool.ExitStatus{Signal: syscall.SIGILL, Core: true},
			},
			error: "cannot roll to generation 2: slot 0, worker 3: killed by SIGILL (core dumped)\n" +
				"  built for another CPU\n  generation 1 keeps serving",
		}, {
			name: "never ready", lives: func(p *pooltest.Process) {
				p.Write("waiting for the database")
				pooltest.Mute(p)
			},
			want: pool.RollResult{
				Reason: "not ready within 30s", Worker: "3", Tail: []string{"waiting for the database"}, Hint: pool.NeverReady,
			},
			error: "cannot roll to generation 2: slot 0, worker 3: not ready within 30s\n  " + pool.NeverReady +
				"\n  last output:\n    waiting for the database\n  generation 1 keeps serving",
		}, {
			name: "cannot be seen to be ready", lives: func(p *pooltest.Process) {
				p.Unseen("no files left")
				pooltest.Mute(p)
			},
			want: pool.RollResult{
				Reason: "not seen to be ready within 30s: no files left", Blame: machine.BlameMaster, Worker: "3",
				Hint: pool.NeverReady,
			},
			error: "cannot roll to generation 2: slot 0, worker 3: not seen to be ready within 30s: no files left\n  " +
				pool.NeverReady +
				"\n  the release is not to blame: reload again when the cause is gone\n  generation 1 keeps serving",
		}, {
			name: "does not start", fault: startFails,
			want: pool.RollResult{
				Reason: startFails.Error(), Blame: machine.BlameMaster, Worker: "3",
				Exit: &pool.ExitStatus{Error: startFails.Error()},
			},
			error: "cannot roll to generation 2: slot 0, worker 3: cannot start a process: permission denied\n" +
				"  the release is not to blame: reload again when the cause is gone\n  generation 1 keeps serving",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				old := pooltest.NewRelease("v1", pooltest.Obedient)
				r := start(t, 2, old)
				bad := r.release("v2", test.lives)
				bad.Fail("start", test.fault)
				got := <-r.roll(bad)
				if got.err != nil {
					t.Fatal(got.err)
				}
				synctest.Wait()
				want := test.want
				want.Generation, want.From, want.Result, want.Slot = 2, 1, machine.RolledBack, new(int)
				if want.Blame == machine.NoBlame {
					want.Blame = machine.BlameProgram
				}
				want.Started, want.Ended = got.Started, got.Ended
				v2, v1 := r.releases[1].Info(), r.releases[0].Info()
				want.Release, want.FromRelease = &v2, &v1
				wantJSON(t, "result", got.RollResult, want)
				wantEqual(t, "error", got.Error(), test.error)
				wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving")
				wantEqual(t, "bad release closed", bad.Closed(), 1)
				wantEqual(t, "old release closed", old.Closed(), 0)
				wantJSON(t, "last roll", *r.status().LastRoll, got.RollResult)
				reverting := findStep(t, r.events(), pool.StepReverting)
				wantEqual(t, "event", []any{reverting.Reason, reverting.Hint, reverting.Tail, reverting.ID, *reverting.Slot,
					reverting.To},
					[]any{want.Reason, want.Hint, want.Tail, want.Worker, 0, 1})
				ended := findStep(t, r.events(), pool.StepEnded)
				wantEqual(t, "end", []any{ended.Result, ended.Reason, ended.ID},
					[]any{machine.RolledBack, want.Reason, want.Worker})
			})
		})
	}
}

func findStep(t *testing.T, events []pool.Event, step pool.Step) pool.Event {
	t.Helper()
	for _, e := range events {
		if e.Step == step {
			return e
		}
	}
	t.Fatalf("no step %q in %s", step, words(events))
	return pool.Event{}
}

// A roll that fails half-way starts the old workers again.
func TestRollRevertsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		got := <-r.roll(r.release("v2", func(p *pooltest.Process) {
			if p.Order.Slot == 1 {
				pooltest.Broken(p)
				return
			}
			pooltest.Obedient(p)
		}))
		wantEqual(t, "result", []any{got.Result, got.Replaced, *got.Slot}, []any{machine.RolledBack, 1, 1})
		wantEqual(t, "states", r.states(), "0/5 serving, 1/2 serving")
		reverted := findStep(t, r.events(), pool.StepReverted)
		wantEqual(t, "reverted", []any{*reverted.Slot, reverted.ID, reverted.Done, reverted.Of}, []any{0, "5", 1, 1})
		for _, w := range r.status().Workers {
			wantEqual(t, "version", w.Release.Version, "v1")
		}
	})
}

// A slot whose old generation cannot be started again keeps the worker that serves in it.
func TestRollStuck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 2, old)
		old.Fail("start", errors.New("the file is gone"))
		got := <-r.roll(r.release("v2", func(p *pooltest.Process) {
			if p.Order.Slot == 1 {
				pooltest.Broken(p)
				return
			}
			pooltest.Obedient(p)
		}))
		wantEqual(t, "result", []any{got.Result, got.Stuck}, []any{machine.Failed, []int{0}})
		wantEqual(t, "states", r.states(), "0/3 serving, 1/2 serving")
		wantEqual(t, "error", got.Error(), "cannot roll to generation 2: slot 1, worker 4: exit status 1\n"+
			"  last output:\n    panic: no database\n  slots [0] could not be put back on generation 1")
	})
}

// Of the rolls that are requested during a roll only the newest is run, and all callers of these get
// its result.
func TestRollsCoalesce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		underway := r.release("v2", func(p *pooltest.Process) {
			if p.Order.Slot == 1 {
				time.Sleep(time.Minute / 4)
			}
			pooltest.Obedient(p)
		})
		first := r.roll(underway)
		pass(2 * time.Second) // past the canary's probation
		skipped, newest := r.release("v3", nil), r.release("v4", pooltest.Obedient)
		second, third := r.roll(skipped), r.roll(newest)
		wantEqual(t, "closed unused", skipped.Closed(), 1)
		got := <-first
		wantEqual(t, "first", []any{got.err, got.Generation, got.Result}, []any{nil, 2, machine.OK})
		for _, answer := range []<-chan rolled{second, third} {
			got := <-answer
			wantEqual(t, "coalesced", []any{got.err, got.Generation, got.From, got.Result}, []any{nil, 4, 2, machine.OK})
		}
		wantEqual(t, "version", r.status().Workers[0].Release.Version, "v4")
		wantEqual(t, "starts of the one between", len(skipped.Living()), 0)
		superseded := findStep(t, r.events(), pool.StepSuperseded)
		wantEqual(t, "superseded", []int{superseded.Generation, superseded.To}, []int{3, 4})
	})
}

// A roll whose canary is still on probation gives way at once.
func TestRollGivesWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		first, second := r.roll(r.release("v2", pooltest.Mute)), r.roll(r.release("v3", pooltest.Obedient))
		for _, answer := range []<-chan rolled{first, second} {
			got := <-answer
			wantEqual(t, "result", []any{got.err, got.Generation, got.From, got.Result}, []any{nil, 3, 1, machine.OK})
		}
		wantEqual(t, "states", r.states(), "0/3 serving")
	})
}

// A caller that stops waiting returns at once; the roll continues.
func TestRollOutlivesItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		_, err := r.Roll(ctx, r.release("v2", pooltest.Obedient))
		wantEqual(t, "error", err, context.DeadlineExceeded)
		pass(time.Second / 2)
		wantEqual(t, "states", r.states(), "0/2 serving")
		wantEqual(t, "last roll", r.status().LastRoll.Result, machine.OK)
	})
}

// A stop during a roll answers every caller that waits, also those of a queued roll.
func TestStopAbortsRolls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		first := r.roll(r.release("v2", func(p *pooltest.Process) {
			if p.Order.Slot == 1 {
				pooltest.Mute(p)
				return
			}
			pooltest.Obedient(p)
		}))
		pass(2 * time.Second) // past the canary's probation
		second := r.roll(r.release("v3", pooltest.Obedient))
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		for _, answer := range []<-chan rolled{first, second} {
			got := <-answer
			wantEqual(t, "result", []any{got.err, got.Result, got.Reason}, []any{nil, machine.Aborted, "the pool stops"})
			if got.Error() == nil {
				t.Error("an aborted roll returns no error")
			}
		}
		<-r.ran
	})
}

// A roll while the first workers still start waits for them.
func TestRollWhileBooting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", nil)
		r := start(t, 1, old)
		answer := r.roll(r.release("v2", pooltest.Obedient))
		wantEqual(t, "states", r.states(), "0/1 starting")
		old.Process(1).Ready()
		wantEqual(t, "state", r.status().State, "rolling")
		pass(time.Second)
		old.Process(1).Exit(0)
		wantEqual(t, "result", (<-answer).Result, machine.OK)
	})
}

// When a start fails, the roll that waits for it fails, too.
func TestRollWhileBootFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", nil)
		r := start(t, 1, old)
		answer := r.roll(r.release("v2", pooltest.Obedient))
		old.Process(1).Exit(1)
		got := <-answer
		wantEqual(t, "result", []any{got.err, got.Result}, []any{nil, machine.Aborted})
		<-r.ran
	})
}

// A pool that is stopping does not roll, but it does close the release.
func TestRollWhileStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Stubborn))
		r.Stop()
		late := r.release("v2", pooltest.Obedient)
		_, err := r.Roll(context.Background(), late)
		wantEqual(t, "error", err, pool.ErrNotRunning)
		wantEqual(t, "closed", late.Closed(), 1)
		_, _, err = r.Resize(to(2))
		wantEqual(t, "resize", err, pool.ErrNotRunning)
		wantEqual(t, "configure", r.Configure(machine.Options{}), pool.ErrNotRunning)
	})
}

// A roll asks workers to leave by message if they take messages.
func TestRollByMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 1, old)
		r.mustRoll(r.release("v2", pooltest.Polite))
		synctest.Wait()
		wantEqual(t, "asked", old.Process(1).Labels(), []string{"send drain"})
		wantEqual(t, "events", words(r.of(1)), "fork online ready draining drained disconnect exit")
	})
}

// A worker that leaves by itself while on probation makes the roll fail.
func TestCanaryLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		bad := r.release("v2", nil)
		answer := r.roll(bad)
		p := bad.Process(2)
		p.Write("nothing to do here")
		p.Ready()
		p.Say(ipc.Draining{})
		got := <-answer
		wantEqual(t, "result", []any{got.Result, got.Reason, got.Tail},
			[]any{machine.RolledBack, "left by itself on probation", "[nothing to do here]"})
		p.Exit(0)
	})
}

// Closing a release takes as long as its file system does; the pool does not wait for it.
func TestSlowCloseOfRelease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		bad := r.release("v2", pooltest.Obedient)
		bad.Fail("start", errors.New("cannot start"))
		resume := bad.HoldClose()
		wantEqual(t, "result", (<-r.roll(bad)).Result, machine.RolledBack)
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving")
		r.mustRoll(r.release("v3", pooltest.Obedient))
		wantEqual(t, "closed", bad.Closed(), 0)
		resume()
		synctest.Wait()
		wantEqual(t, "closed", bad.Closed(), 1)
	})
}
