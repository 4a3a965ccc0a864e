package pool_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// TestThaw: after a failed succession the pool is as before.
func TestThaw(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 2, v1)
		v2 := r.release("v2", leaves)
		answer := r.roll(v2)
		canary := v2.Living()[0]
		r.mustFreeze()
		go canary.Ready() // takes effect after the thaw
		synctest.Wait()
		for name, refused := range map[string]func() error{
			"Stop":   r.Stop,
			"Resize": func() error { _, _, err := r.Resize(to(5)); return err },
			"Send":   func() error { _, err := r.Send(pool.Target{}, []byte("1")); return err },
			"Roll":   func() error { _, err := r.BeginRoll(pooltest.NewRelease("v9", nil)); return err },
			"Freeze": func() error { _, err := r.freeze(); return err },
		} {
			if err := refused(); !errors.Is(err, pool.ErrHandedOver) {
				t.Errorf("%s of a frozen pool: %v", name, err)
			}
		}
		wantEqual(t, "while frozen", r.states(), "0/1 serving, 0/3 starting, 1/2 serving")
		if err := r.Thaw(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantEqual(t, "thawed", r.states(), "0/1 serving, 0/3 serving, 1/2 serving")
		pass(time.Second)
		v2.Living()[1].Ready()
		if got := <-answer; got.err != nil || got.Result != machine.OK {
			t.Errorf("the roll: %+v, %v", got.RollResult, got.err)
		}
		v2.Living()[0].Exit(1)
		synctest.Wait()
		v2.Living()[1].Ready()
	})
}

// TestFreezeWaitsForBirths, but not forever.
func TestFreezeWaitsForBirths(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, v1)
		resume := v1.HoldStart()
		if _, _, err := r.Resize(to(2)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.freeze(); err == nil || !strings.Contains(err.Error(), "number of workers still being started: 1") {
			t.Errorf("freeze: %v", err)
		}
		wantEqual(t, "goes on", r.states(), "0/1 serving, 1/2 starting")
		frozen := make(chan pool.Legacy)
		go func() { frozen <- r.mustFreeze() }()
		synctest.Wait()
		resume()
		if l := <-frozen; len(l.Members) != 2 || len(l.Members[1].Process) == 0 {
			t.Errorf("members: %+v", l.Members)
		}
		r.Thaw()
		synctest.Wait()
		wantEqual(t, "thawed", r.states(), "0/1 serving, 1/2 serving")
	})
}

// TestFreezeFails: if a worker cannot be detached, the pool is as before.
func TestFreezeFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 2, v1)
		v1.Fail("detach", errors.New("no pidfd"))
		if _, err := r.freeze(); err == nil || !strings.Contains(err.Error(), "no pidfd") {
			t.Errorf("freeze: %v", err)
		}
		v1.Fail("detach", nil)
		v1.Process(1).Exit(3)
		synctest.Wait()
		wantEqual(t, "goes on", r.states(), "0/3 serving, 1/2 serving")
	})
}

// frozen is the result of a Freeze.
type frozen struct {
	l   pool.Legacy
	err error
}

// freezeBesideADeath freezes a pool at the moment when a worker of a roll to v2 dies: the roll turns
// back, and the workers of v2 that serve have to leave.
func freezeBesideADeath(t *testing.T) (r *rig, v2 *pooltest.Release, done <-chan frozen) {
	v1 := pooltest.NewRelease("v1", pooltest.Polite)
	r = start(t, 3, v1)
	v2 = r.release("v2", leaves)
	r.roll(v2)
	v2.Living()[0].Ready()
	pass(time.Second)
	v2.Living()[1].Ready() // slot 1; the worker of slot 2 starts
	synctest.Wait()
	starting := v2.Living()[2]
	starting.DieUnheard(pool.Exited{Status: pool.ExitStatus{Code: 5}})
	answer := make(chan frozen)
	go func() { l, err := r.freeze(); answer <- frozen{l, err} }()
	synctest.Wait()
	starting.Heard()
	return r, v2, answer
}

// TestFreezeBesideADeath: the effects of a death are left to the successor.
func TestFreezeBesideADeath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, v2, done := freezeBesideADeath(t)
		got := <-done
		if got.err != nil {
			t.Fatal(got.err)
		}
		for _, p := range v2.Living() {
			asked := slices.DeleteFunc(p.Labels(), func(label string) bool { return label == "admit" })
			wantEqual(t, "asked of "+p.Order.ID, asked, []string{"detach"})
		}
		r.HandOver()
		<-r.ran
		r = r.takeOver(got.l)
		pass(time.Minute)
		if last := r.status().LastRoll; last == nil || last.Result != machine.RolledBack {
			t.Errorf("last roll: %+v", last)
		}
		wantEqual(t, "generation", r.status().Generation, 1)
	})
}

// TestThawBesideADeath: the effects of a death are held back, and happen if no successor takes over.
func TestThawBesideADeath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _, done := freezeBesideADeath(t)
		if got := <-done; got.err != nil {
			t.Fatal(got.err)
		}
		if err := r.Thaw(); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if last := r.status().LastRoll; last == nil || last.Result != machine.RolledBack {
			t.Errorf("last roll: %+v", last)
		}
		wantEqual(t, "generation", r.status().Generation, 1)
	})
}
