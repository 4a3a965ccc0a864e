package pool_test

import (
	"errors"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

func TestRecycle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 2, release)
		if err := r.Recycle("2", machine.CauseMemory, "uses 512 MiB"); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "workers", r.states(), "0/1 serving, 1/3 serving")
		wantEqual(t, "old one", release.Process(2).Labels(), "[send drain]")
		recycle, draining := r.last(pool.KindRecycle), r.last(pool.KindDraining)
		wantEqual(t, "events", []string{recycle.ID, recycle.Reason, draining.ID, draining.Reason},
			"[2 uses 512 MiB 2 uses 512 MiB]")
		wantEqual(t, "generation", r.status().Generation, 1)
		for _, id := range []string{"2", "77", "", "x"} {
			if err := r.Recycle(id, machine.CauseMemory, "again"); !errors.Is(err, pool.ErrNoWorker) {
				t.Errorf("worker %q: %v", id, err)
			}
		}
		r.Stop()
		<-r.ran
		if err := r.Recycle("3", machine.CauseMemory, "late"); !errors.Is(err, pool.ErrNotRunning) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestRecycleByRequest: a user's request replaces a worker at once, even if a new worker has just
// failed to start. relevo's own requests wait in that case.
func TestRecycleByRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", func(p *pooltest.Process) {
			if p.Order.ID == "1" {
				pooltest.Obedient(p)
			} else {
				pooltest.Broken(p)
			}
		}))
		for _, cause := range []machine.Cause{machine.CauseMemory, machine.CauseRequest, machine.CauseMemory} {
			if err := r.Recycle("1", cause, "asked for"); err != nil {
				t.Fatal(err)
			}
			pass(0)
		}
		starts := r.status().Counts.Starts
		wantEqual(t, "workers", r.states(), "0/1 serving")
		wantEqual(t, "starts", []int{starts[machine.CauseMemory], starts[machine.CauseRequest]}, "[1 1]")
	})
}

// TestUntil: the status says how long relevo waits for a worker that leaves.
func TestUntil(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Stubborn), func(o *pool.Options) {
			o.Patience.DrainTimeout = time.Minute
		})
		before := time.Now()
		if err := r.Recycle("1", machine.CauseRequest, "asked for"); err != nil {
			t.Fatal(err)
		}
		pass(0)
		workers := r.status().Workers
		wantEqual(t, "workers", r.states(), "0/1 draining, 0/2 serving")
		wantEqual(t, "draining", workers[0].Until.Sub(before), time.Minute)
		wantEqual(t, "serving", workers[1].Until.IsZero(), true)
	})
}

func TestLifetime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient), func(o *pool.Options) {
			o.Patience.MaxLifetime = time.Hour
		})
		pass(time.Hour - time.Second)
		wantEqual(t, "before", r.states(), "0/1 serving, 1/2 serving")
		pass(time.Second)
		wantEqual(t, "after", r.states(), "0/3 serving, 1/4 serving")
		wantEqual(t, "reason", r.last(pool.KindRecycle).Reason, "lived for 1h0m0s, max_lifetime is 1h0m0s")
	})
}

func TestWatchdog(t *testing.T) {
	watched := func(o *pool.Options) { o.Patience.Watchdog = 9 * time.Second }
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		r := start(t, 1, release, watched)
		p := release.Process(1)
		p.Ready()
		p.Alive()
		pass(8 * time.Second)
		p.Alive()
		pass(8 * time.Second)
		wantEqual(t, "alive", p.Labels(), "[]")
		if at := r.status().Workers[0].LastPing; time.Since(at) != 8*time.Second {
			t.Errorf("the last ping was at %v, 8 s ago", at)
		}
		pass(2 * time.Second)
		wantEqual(t, "silent", []any{p.Labels(), r.states()}, "[[terminate] 0/1 draining, 0/2 starting]")
		hung := r.last(pool.KindHung)
		wantEqual(t, "event", []string{hung.ID, hung.Reason}, "[1 hung: no sign of life for 9s]")
		pass(5 * time.Second)
		wantEqual(t, "in the end", p.Labels(), "[terminate kill]")
		p.Exit(0)
		release.Process(2).Exit(0)
		r.Force()
		pass(0)
		for _, p := range release.Living() {
			p.Exit(0)
		}
	})
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Watchful)
		r := start(t, 1, release, watched)
		pass(time.Minute)
		wantEqual(t, "who answers", r.states(), "0/1 serving")
		if pings := release.Process(1).Labels(); len(pings) != 20 || pings[0] != "send ping" {
			t.Errorf("in a minute: %v", pings)
		}
	})
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Stubborn)
		r := start(t, 1, release, watched)
		release.Process(1).Say(ipc.Hello{Protocol: ipc.Protocol, Pong: true})
		pass(10 * time.Second)
		wantEqual(t, "who does not answer", r.states(), "0/1 draining, 0/2 serving")
		wantEqual(t, "labels", release.Process(1).Labels(), "[send ping send ping send drain]")
	})
}

// What a worker reports about itself, and what relevo reports about it.
func TestHungFloodHealed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		release.Process(1).Flood("notify socket, 12034 datagrams dropped")
		flood := r.last(pool.KindFlood)
		wantEqual(t, "flood", []string{flood.ID, flood.Text, r.states()},
			"[1 notify socket, 12034 datagrams dropped 0/1 serving]")
		release.Process(1).Hang("said WATCHDOG=trigger")
		wantEqual(t, "hung", []string{r.last(pool.KindHung).Reason, r.states()}, "[hung: said WATCHDOG=trigger 0/2 serving]")
		healed := pool.Event{Kind: pool.KindHealed, Text: "shut down", Addresses: []string{":80"}, Workers: []string{"2"}}
		r.Publish(healed)
		got := r.last(pool.KindHealed)
		wantEqual(t, "healed", []any{got.App, got.Text, got.Addresses, got.Workers}, "[web shut down [:80] [2]]")
		r.Stop()
		<-r.ran
		r.Publish(healed) // dropped
	})
}

// Events may be published by the callbacks, which run on the loop.
func TestPublishFromTheLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r *rig
		r = start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient), func(o *pool.Options) {
			o.OnRoll = func(pool.Step, pool.RollResult, pool.Release, pool.Release) {
				r.Publish(pool.Event{Kind: pool.KindHealed})
			}
		})
		r.mustRoll(r.release("v2", pooltest.Obedient))
		r.last(pool.KindHealed)
	})
}
