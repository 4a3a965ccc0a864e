package pool_test

import (
	"errors"
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// trial is a release whose canaries have a share of their own.
type trial struct{ *pooltest.Release }

func (trial) CanaryShare(worker string) (share, hint string) { return "5%", "worker " + worker }

// onProbation begins a roll and returns when the canary is ready, on a probation of ten minutes.
func onProbation(t *testing.T) (*rig, *pooltest.Release, <-chan rolled) {
	t.Helper()
	r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient), func(o *pool.Options) {
		o.Patience.Canary = 10 * time.Minute
	})
	next := r.release("v2", pooltest.Obedient)
	answer := make(chan rolled, 1)
	go func() {
		result, err := r.Roll(t.Context(), trial{next})
		answer <- rolled{result, err}
	}()
	pass(time.Second)
	return r, next, answer
}

// A canary on probation is in the status, and is promoted.
func TestPromote(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, next, answer := onProbation(t)
		canary := r.status().Canary
		if canary == nil || canary.ID != "3" || canary.Share != "5%" || canary.Hint != "worker 3" ||
			time.Until(canary.Until) > 10*time.Minute {
			t.Fatalf("canary: %+v", canary)
		}
		if e := r.last(pool.KindRoll); e.Step != pool.StepProbation || e.Share != "5%" || e.Hint != "worker 3" ||
			*e.AfterMS != 600000 {
			t.Errorf("event: %+v", e)
		}
		process := next.Living()[0]
		wantEqual(t, "canary", process.Order.Canary, true)
		wantEqual(t, "asked of it", process.Labels(), []string{})
		c, err := r.Promote()
		if err != nil || c.ID != "3" {
			t.Fatalf("promote: %+v, %v", c, err)
		}
		if got := <-answer; got.err != nil || got.Result != machine.OK || got.Ended.Sub(got.Started) > time.Minute {
			t.Errorf("roll: %+v, %v", got.RollResult, got.err)
		}
		wantEqual(t, "asked of the canary", process.Labels(), []string{"admit"})
		wantEqual(t, "canary of the second slot", next.Living()[1].Order.Canary, false)
		if canary := r.status().Canary; canary != nil {
			t.Errorf("canary: %+v", canary)
		}
		if _, err := r.Promote(); !errors.Is(err, pool.ErrNotRolling) {
			t.Errorf("promote without a roll: %v", err)
		}
	})
}

// The caller that aborts a roll, and the callers that wait for it, all get its result.
func TestAbort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, next, answer := onProbation(t)
		roll, err := r.Abort()
		if err != nil {
			t.Fatal(err)
		}
		for _, result := range []pool.RollResult{mustEnd(t, roll), (<-answer).RollResult} {
			if result.Result != machine.RolledBack || result.Blame != machine.BlameRequest || result.Worker != "" ||
				result.Slot != nil {
				t.Errorf("result: %+v", result)
			}
			wantEqual(t, "error", result.Error(),
				"cannot roll to generation 2: aborted by request\n  generation 1 keeps serving")
		}
		pass(time.Minute)
		wantEqual(t, "living", len(next.Living()), 0)
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving")
		if _, err := r.Abort(); !errors.Is(err, pool.ErrNotRolling) {
			t.Errorf("abort without a roll: %v", err)
		}
	})
}

func mustEnd(t *testing.T, roll *pool.PendingRoll) pool.RollResult {
	t.Helper()
	result, err := roll.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestProbationInSuccession: the next master knows the canary, and admits it when its time is over.
func TestProbationInSuccession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, next, _ := onProbation(t)
		l, err := r.freeze()
		if err != nil {
			t.Fatal(err)
		}
		r.HandOver()
		<-r.ran
		r = r.takeOver(l)
		if canary := r.status().Canary; canary == nil || canary.ID != "3" {
			t.Errorf("canary: %+v", canary)
		}
		process := next.Living()[0]
		if _, err := r.Promote(); err != nil {
			t.Error(err)
		}
		pass(time.Minute)
		wantEqual(t, "asked of the canary", process.Labels(), []string{"detach", "admit"})
		wantEqual(t, "generation", r.status().Generation, 2)
	})
}
