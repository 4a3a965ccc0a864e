package background

import (
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/decide"
)

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Retry
		began, tries := time.Now(), []time.Duration{}
		var try func()
		try = func() {
			tries = append(tries, time.Since(began))
			if len(tries) < 8 {
				r.Later(try)
			}
		}
		r.Later(try)
		time.Sleep(time.Hour)
		synctest.Wait()
		var last time.Duration
		for i, want := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300} {
			if got := tries[i] - last; got != want*time.Second {
				t.Errorf("try %d after %v, want %vs", i, got, int(want))
			}
			last = tries[i]
		}
		r.Later(try)
		r.Cancel()
		if wait := r.Later(try); wait != decide.FirstWait {
			t.Errorf("after a change the wait is %v", wait)
		}
		r.End()
		if wait := r.Later(try); wait != 0 {
			t.Errorf("after the end it waits for %v", wait)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(tries) != 8 {
			t.Errorf("%d tries", len(tries))
		}
	})
}
