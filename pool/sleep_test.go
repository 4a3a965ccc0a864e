package pool_test

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// A pool that sleeps has no workers, also under the next master, until it wakes. A release that
// comes meanwhile is tried then.
func TestSleep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		if err := r.Sleep("no client"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		status := r.status()
		wantEqual(t, "state", []any{status.State, status.Asleep.IsZero(), status.Slots, len(status.Workers)},
			[]any{"asleep", false, 0, 0})
		event := r.last(pool.KindSleep)
		wantEqual(t, "event", []any{event.From, event.Reason}, []any{2, "no client"})
		wantEqual(t, "again", r.Sleep("again"), nil)
		_, failed := r.Send(pool.Target{}, []byte(`1`))
		wantEqual(t, "send", errors.Is(failed, pool.ErrAsleep), true)
		_, failed = r.Signal(pool.Target{}, syscall.SIGUSR1)
		wantEqual(t, "signal", errors.Is(failed, pool.ErrAsleep), true)
		if _, _, err := r.Resize(to(0)); err != nil {
			t.Errorf("resize to 0 while asleep: %v", err)
		}

		pending, err := r.BeginRoll(r.release("v2", pooltest.Obedient))
		if err != nil || !pending.Asleep() {
			t.Fatalf("%v, asleep: %v", err, pending.Asleep())
		}
		wantEqual(t, "noted", r.status().Noted.Version, "v2")
		wantEqual(t, "serving", r.status().Release.Version, "v1")

		r = r.succeed()
		wantEqual(t, "state", r.status().State, "asleep")
		wantEqual(t, "since", r.status().Asleep.Equal(status.Asleep), true)
		wantEqual(t, "told", r.last(pool.KindSuccession).Text,
			"leaves the app asleep, and tries generation 2 when a client comes")
		wantEqual(t, "noted", r.status().Noted.Version, "v2")
		wait, err := r.Await(pending.Generation())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Wake(1, "a client came"); err != nil {
			t.Fatal(err)
		}
		result, err := wait.Wait(t.Context())
		wantEqual(t, "roll", []any{err, result.Result}, []any{nil, machine.OK})
		event = r.last(pool.KindWake)
		wantEqual(t, "event", []any{event.To, event.Reason}, []any{1, "a client came"})
		wantEqual(t, "serving", r.status().Release.Version, "v2")
		wantEqual(t, "awake", r.Wake(3, "again"), nil)
		wantEqual(t, "slots", r.status().Slots, 1)
	})
}

// Sleep is refused during a roll or a start.
func TestSleepRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		canary := r.release("v2", nil)
		ended := r.roll(canary)
		wantEqual(t, "in a roll", r.Sleep("no client"), pool.ErrBusy)
		wantEqual(t, "awake", r.status().Asleep.IsZero(), true)
		canary.Process(2).Exit(1)
		<-ended
	})
}

// TestWaking: clients wait for the worker that starts after a sleep, also if a canary gives way to the
// old generation, until a worker is ready or dies at its start.
func TestWaking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", nil)
		r := start(t, 1, old)
		old.Process(1).Ready()
		sleep := func(serving int) {
			synctest.Wait()
			if err := r.Sleep("no client"); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "waking while asleep", r.status().Waking, false)
			old.Process(serving).Exit(0)
		}
		wake := func() {
			synctest.Wait()
			if err := r.Wake(1, "a client came"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			wantEqual(t, "waking", r.status().Waking, true)
		}
		sleep(1)
		wake()
		old.Process(2).Ready()
		wantEqual(t, "waking with a worker", r.status().Waking, false)

		sleep(2)
		canary := r.release("v2", nil)
		if _, err := r.BeginRoll(canary); err != nil {
			t.Fatal(err)
		}
		wake()
		canary.Process(3).Exit(1)
		synctest.Wait()
		wantEqual(t, "waking after the canary", r.status().Waking, true)
		old.Process(4).Exit(1)
		synctest.Wait()
		wantEqual(t, "waking after a crash", r.status().Waking, false)
		last := old.Process(5)
		go func() { <-last.Asked(); last.Exit(0) }()
	})
}
