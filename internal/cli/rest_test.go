package cli

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestRest: memory is given back after the start, and then once for each worthCollecting. What
// leaves less garbage starts no timer: an idle master sleeps.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bytes, collected := uint64(1<<20), atomic.Int32{}
		r := newRest(func() uint64 { return bytes }, func() { collected.Add(1) })
		expect := func(when string, after time.Duration, want int32) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := collected.Load(); got != want {
				t.Errorf("%s: %d collections, want %d", when, got, want)
			}
		}
		r.worked()
		expect("during the start", startTime/2, 0)
		r.served()
		expect("while the start settles", settleTime/2, 0)
		expect("after the start", settleTime, 1)
		bytes += worthCollecting - 1
		r.worked()
		expect("little garbage", startTime, 1)
		bytes++
		r.worked()
		expect("much garbage, at once", 0, 1)
		bytes++
		r.worked()
		expect("much garbage", settleTime, 2)
		expect("no garbage", startTime, 2)
	})
}

// TestRestAfterSlowStart: a start that never ends is taken for over.
func TestRestAfterSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var collected atomic.Int32
		newRest(func() uint64 { return 0 }, func() { collected.Add(1) })
		time.Sleep(startTime)
		synctest.Wait()
		if got := collected.Load(); got != 1 {
			t.Errorf("%d collections, want 1", got)
		}
	})
}

func TestAllocated(t *testing.T) {
	before := allocated()
	if garbage := make([]byte, 1<<20); len(garbage) == 0 || allocated()-before < 1<<20 {
		t.Errorf("1 MiB counts as %d bytes", allocated()-before)
	}
}
