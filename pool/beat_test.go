package pool_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"relevo/pool"
	"relevo/pool/pooltest"
)

// The beat shows that the loop runs: while the loop is blocked, there is none.
func TestBeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var count atomic.Int64
		beats := count.Load
		r := start(t, 1, pooltest.NewRelease("1", pooltest.Obedient), func(o *pool.Options) {
			o.Beat, o.BeatEvery = func() { count.Add(1) }, time.Second
		})
		pass(10500 * time.Millisecond)
		if beats() != 10 {
			t.Errorf("%d beats in 10.5 s, want 10", beats())
		}
		// The caller's function runs on the loop.
		go r.Resize(func(now int) (int, error) {
			time.Sleep(time.Minute)
			return now, nil
		})
		synctest.Wait()
		before := beats()
		pass(30 * time.Second)
		if beats() != before {
			t.Errorf("%d beats of a loop that was stuck", beats()-before)
		}
		pass(40 * time.Second)
		if beats() == before {
			t.Error("no beat after the loop continued")
		}
	})
}
