package pool_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// Rolls run in the order of the calls of BeginRoll, not of Wait.
func TestBeginRoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		first, err := r.BeginRoll(r.release("v2", pooltest.Mute))
		if err != nil {
			t.Fatal(err)
		}
		second, err := r.BeginRoll(r.release("v3", pooltest.Obedient))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		wantEqual(t, "generations", []int{first.Generation(), second.Generation()}, []int{2, 3})
		for _, roll := range []*pool.PendingRoll{second, first} {
			result, err := roll.Wait(t.Context())
			wantEqual(t, "result", []any{err, result.Generation, result.Result}, []any{nil, 3, machine.OK})
		}
		wantEqual(t, "time", time.Since(began), time.Second)
		wantEqual(t, "version", r.status().Workers[0].Release.Version, "v3")
	})
}

// A caller that asks for a result after the pool's end still gets it.
func TestWaitAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		roll, err := r.BeginRoll(r.release("v2", pooltest.Obedient))
		if err != nil {
			t.Fatal(err)
		}
		r.Force()
		<-r.ran
		result, err := roll.Wait(t.Context())
		wantEqual(t, "result", []any{err, result.Result}, []any{nil, machine.Aborted})
	})
}

// Relative changes of the size add up, even at the same moment.
func TestResizeByWhatIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				from, to, err := r.Resize(func(now int) (int, error) { return now + 1, nil })
				if err != nil || to != from+1 {
					t.Errorf("from %d to %d, %v", from, to, err)
				}
			})
		}
		all.Wait()
		wantEqual(t, "slots", r.status().Slots, 22)
		synctest.Wait()

		no := errors.New("cannot scale on a Sunday")
		_, _, err := r.Resize(func(int) (int, error) { return 1, no })
		wantEqual(t, "refused", []any{err, r.status().Slots}, []any{no, 22})
	})
}
