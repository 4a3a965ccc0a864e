package machine

import (
	"testing"
	"time"
)

// waits returns the backoffs of a slot in which each worker serves for a while and dies.
func waits(o Options, slotIndex, deaths int, served time.Duration) []time.Duration {
	s := &slot{index: slotIndex}
	now := epoch
	var all []time.Duration
	for range deaths {
		now = now.Add(served)
		wait := s.backoff(now, served, o.withDefaults())
		now = now.Add(wait)
		all = append(all, wait)
	}
	return all
}

func TestBackoffGrowsWithinItsBounds(t *testing.T) {
	o := Options{}.withDefaults()
	for slotIndex := range 8 {
		got := waits(o, slotIndex, 40, 0)
		if got[0] != 0 {
			t.Errorf("slot %d: the first respawn waits %s", slotIndex, got[0])
		}
		base := o.BackoffMin
		for i, wait := range got[1:] {
			low := min(base, o.BackoffMax*10/14)
			if wait < low-1 || wait > min(low*14/10, o.BackoffMax)+1 {
				t.Errorf("slot %d: wait %d is %s, want %s and at most 1.4 times that", slotIndex, i+1, wait, low)
			}
			base = min(2*base, o.BackoffMax)
		}
	}
}

// At the limit, jitter still keeps slots apart.
func TestBackoffVariesAtItsLimit(t *testing.T) {
	seen := map[time.Duration]bool{}
	for slotIndex := range 100 {
		got := waits(Options{}, slotIndex, 30, 0)
		seen[got[len(got)-1]] = true
	}
	if len(seen) < 100 {
		t.Errorf("100 slots at the limit have %d different waits", len(seen))
	}
}

func TestBackoffByServiceTime(t *testing.T) {
	for _, c := range []struct {
		served time.Duration
		waits  bool // after many deaths
	}{
		{0, true},
		{100 * time.Millisecond, true},
		{forgiven - 100*time.Millisecond, true},
		{forgiven, false},
		{time.Hour, false},
	} {
		got := waits(Options{}, 0, 1000, c.served)
		if last := got[len(got)-1]; (last > 0) != c.waits {
			t.Errorf("killed every %s: the last wait is %s", c.served, last)
		}
	}
}

func TestJitterIsEven(t *testing.T) {
	var sum float64
	for i := range 10000 {
		j := jitter(epoch.Add(time.Duration(i)*time.Millisecond), i%7)
		if j < 0 || j >= 1 {
			t.Fatalf("jitter %v is not in [0, 1)", j)
		}
		sum += j
	}
	if mean := sum / 10000; mean < 0.48 || mean > 0.52 {
		t.Errorf("the mean of 10000 jitters is %v", mean)
	}
}

func TestOptionsDefaults(t *testing.T) {
	want := Options{
		Surge: 1, Canary: time.Second, ReadyTimeout: 30 * time.Second, DrainTimeout: 30 * time.Second,
		StopGrace: 5 * time.Second, KillTimeout: 10 * time.Second,
		BackoffMin: 250 * time.Millisecond, BackoffMax: 30 * time.Second,
		CrashWindow: time.Minute,
	}
	if got := (Options{}).withDefaults(); got != want {
		t.Errorf("the zero value means %+v, want %+v", got, want)
	}
	odd := Options{Surge: -3, Canary: -1, DrainTimeout: time.Second, BackoffMin: time.Minute}.withDefaults()
	if odd.Surge != 1 || odd.Canary != 0 || odd.StopGrace != time.Second || odd.BackoffMax != time.Minute {
		t.Errorf("invalid options mean %+v", odd)
	}
	odd = Options{CrashWindow: -1, MaxLifetime: -1, LifetimeJitter: 7, Watchdog: -1}.withDefaults()
	if odd.CrashWindow != 0 || odd.MaxLifetime != 0 || odd.LifetimeJitter != 1 || odd.Watchdog != 0 {
		t.Errorf("invalid options mean %+v", odd)
	}
}
