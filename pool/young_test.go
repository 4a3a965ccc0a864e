package pool_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// A generation that passes its probation and then keeps crashing is rolled back automatically. The
// previous release was kept for that.
func TestCrashStorm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		steps := &steps{}
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 2, v1, steps.note)
		v2 := r.release("v2", pooltest.Obedient)
		r.mustRoll(v2)
		wantEqual(t, "fallback", []any{r.status().Fallback, v1.Closed()}, []any{1, 0})
		steps.told = nil

		for id := 3; id <= 5; id++ { // 5 took the slot of 3
			v2.Process(id).Write("panic: no database")
			v2.Process(id).Exit(1)
			pass(0)
		}
		pass(time.Second)
		wantEqual(t, "workers", r.states(), "0/8 serving, 1/7 serving")
		status := r.status()
		wantEqual(t, "status", []any{status.Generation, status.Fallback, status.Workers[0].Release.Version},
			[]any{1, 0, "v1"})
		last := status.LastRoll
		if last.Result != machine.RolledBack || !last.Automatic || last.Generation != 2 || last.From != 1 ||
			last.Worker != "5" || last.Exit.Code != 1 || fmt.Sprint(last.Tail) != "[panic: no database]" ||
			last.Release.Version != "v2" || last.FromRelease.Version != "v1" {
			t.Errorf("last roll %+v", *last)
		}
		wantEqual(t, "error", last.Error(), "cannot keep generation 2: slot 0, worker 5: "+
			"crash storm: 3 workers died within 1s, the last: exit status 1\n  last output:\n    panic: no database\n"+
			"  generation 1 keeps serving")
		wantEqual(t, "steps", steps.told, "[reverting 2 ended 2 rolled-back]")
		reverting := r.lastStep(pool.StepReverting)
		wantEqual(t, "event", []any{reverting.Release.Version, reverting.FromRelease.Version, reverting.Tail},
			"[v2 v1 [panic: no database]]")
		wantEqual(t, "releases", []int{v1.Closed(), v2.Closed()}, []int{0, 1})
	})
}

// A generation that has outlived the crash window is not rolled back when its workers die.
func TestFallbackEndsWithYouth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, v1, func(o *pool.Options) { o.Patience.CrashWindow = 10 * time.Second })
		v2 := r.release("v2", pooltest.Obedient)
		r.mustRoll(v2)
		pass(9 * time.Second)
		wantEqual(t, "closed when young", v1.Closed(), 0)
		pass(2 * time.Second)
		wantEqual(t, "closed", []int{v1.Closed(), r.status().Fallback}, []int{1, 0})
		for range 4 {
			v2.Living()[0].Exit(1)
			pass(time.Minute)
		}
		wantEqual(t, "generation", r.status().Generation, 2)
	})
}

var outOfMemory = pool.Exited{Status: pool.ExitStatus{Signal: syscall.SIGKILL, OutOfMemory: true},
	Hint: "it is too large"}

// A death for lack of memory is named in the status and the events.
func TestOutOfMemoryIsNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, v1)
		v1.Process(1).End(outOfMemory)
		pass(time.Second)
		for _, e := range r.events() {
			if e.Kind == pool.KindExit {
				wantEqual(t, "event", []any{e.Signal, e.Reason, e.Hint},
					"[SIGKILL killed by the kernel: out of memory it is too large]")
			}
			if e.Kind == pool.KindRespawn {
				wantEqual(t, "respawn", e.Reason, "killed by the kernel: out of memory")
			}
		}
		wantEqual(t, "status", r.status().Workers[0].LastExit.String(), "killed by the kernel: out of memory")
	})
}

// Only deaths that may be the program's fault make the pool roll it back.
func TestWhichDeathsAreFaults(t *testing.T) {
	exit := func(code int) func(*rig, *pooltest.Process) {
		return func(_ *rig, p *pooltest.Process) { p.Exit(code) }
	}
	die := func(sig syscall.Signal) func(*rig, *pooltest.Process) {
		return func(_ *rig, p *pooltest.Process) { p.Die(sig) }
	}
	tests := []struct {
		name  string
		death func(*rig, *pooltest.Process)
		fault bool
	}{
		{"exit 1", exit(1), true},
		{"exit 0 unasked", exit(0), true},
		{"SEGV", die(syscall.SIGSEGV), true},
		{"ABRT", die(syscall.SIGABRT), true},
		{"XCPU", die(syscall.SIGXCPU), true},
		{"KILL", die(syscall.SIGKILL), false},
		{"KILL by the kernel", func(_ *rig, p *pooltest.Process) { p.End(outOfMemory) }, true},
		{"KILL by the kernel, after a signal that was asked for", func(r *rig, p *pooltest.Process) {
			r.Signal(pool.Target{ID: p.Order.ID}, syscall.SIGTERM)
			p.End(outOfMemory)
		}, false},
		{"TERM", die(syscall.SIGTERM), false},
		{"HUP", die(syscall.SIGHUP), false},
		{"hung", func(_ *rig, p *pooltest.Process) { p.Hang("said so") }, true},
		{"exit 0 after a signal that was asked for", func(r *rig, p *pooltest.Process) {
			r.Signal(pool.Target{ID: p.Order.ID}, syscall.SIGTERM)
			p.Exit(0)
		}, false},
		{"exit 1 after a signal that ends nothing", func(r *rig, p *pooltest.Process) {
			r.Signal(pool.Target{ID: p.Order.ID}, syscall.SIGUSR1)
			p.Exit(1)
		}, true},
		{"recycled", func(r *rig, p *pooltest.Process) {
			if err := r.Recycle(p.Order.ID, machine.CauseMemory, "old"); err != nil {
				t.Error(err)
			}
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
				v2 := r.release("v2", pooltest.Obedient)
				r.mustRoll(v2)
				for range 3 {
					pass(time.Second)
					test.death(r, v2.Living()[0])
				}
				pass(time.Second)
				wantEqual(t, "taken back", r.status().Generation == 1, test.fault)
			})
		})
	}
}

// steps are the calls of OnRoll.
type steps struct{ told []string }

func (s *steps) note(o *pool.Options) {
	o.OnRoll = func(step pool.Step, r pool.RollResult, _, _ pool.Release) {
		word := fmt.Sprintf("%s %d", step, r.Generation)
		if r.Result != "" {
			word += " " + string(r.Result)
		}
		s.told = append(s.told, word)
	}
}

// lastStep returns the newest event of a roll's step.
func (r *rig) lastStep(step pool.Step) (last pool.Event) {
	for _, e := range r.events() {
		if e.Step == step {
			last = e
		}
	}
	return last
}

// The canary's step is published before an old worker is asked to leave.
func TestOnRoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told []string
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 2, v1, func(o *pool.Options) {
			o.OnRoll = func(step pool.Step, r pool.RollResult, _, _ pool.Release) {
				asked := 0
				for id := 1; id <= 2; id++ {
					asked += len(v1.Process(id).Labels())
				}
				told = append(told, fmt.Sprintf("%s %s→%s %d asked", step, r.FromRelease.Version, r.Release.Version, asked))
			}
		})
		r.mustRoll(r.release("v2", pooltest.Obedient))
		wantEqual(t, "steps", strings.Join(told, ", "),
			"began v1→v2 0 asked, canary v1→v2 0 asked, ended v1→v2 2 asked")
	})
	bubble(t, func(t *testing.T) {
		steps := &steps{}
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient), steps.note)
		r.roll(r.release("v2", pooltest.Mute))
		<-r.roll(r.release("v3", pooltest.Broken))
		wantEqual(t, "steps", steps.told, "[began 2 superseded 2 began 3 reverting 3 ended 3 rolled-back]")
	})
}

// A roll that ends before it begins has no old generation, and OnRoll is not called.
func TestOnRollOfOneThatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told []string
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient), func(o *pool.Options) {
			o.OnRoll = func(step pool.Step, r pool.RollResult, to, from pool.Release) {
				told = append(told, fmt.Sprintf("%s %s→%s", step, from.Info().Version, to.Info().Version))
			}
		})
		r.roll(r.release("v2", func(p *pooltest.Process) {
			if p.Order.Slot == 0 {
				pooltest.Obedient(p)
			} else {
				pooltest.Mute(p)
			}
		}))
		pass(2 * time.Second) // the canary has passed its probation; slot 1 never gets ready
		superseded, aborted := r.roll(r.release("v3", pooltest.Obedient)), r.roll(r.release("v4", pooltest.Obedient))
		r.Force()
		wantEqual(t, "results", []any{(<-superseded).Result, (<-aborted).Result}, []any{machine.Aborted, machine.Aborted})
		wantEqual(t, "steps", strings.Join(told, ", "), "began v1→v2, canary v1→v2, ended v1→v2")
	})
}
