package sleep_test

import (
	"testing"
	"time"

	"relevo/internal/sleep"
)

// TestUsage: an app sleeps although a health check takes time of a processor now and then, but not
// while its workers compute.
func TestUsage(t *testing.T) {
	const idle, check = 10 * time.Second, 4 * time.Second
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		work   func(after time.Duration) time.Duration // used until then
		sleeps bool
	}{
		"nothing":        {func(time.Duration) time.Duration { return 0 }, true},
		"health checks":  {func(after time.Duration) time.Duration { return after / check * 60 * time.Millisecond }, true},
		"a quarter":      {func(after time.Duration) time.Duration { return after / 4 }, false},
		"six hundredths": {func(after time.Duration) time.Duration { return after * 6 / 100 }, false},
		"only at first":  {func(after time.Duration) time.Duration { return min(after, 20*time.Second) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			decider, usage := sleep.New(idle, start), sleep.Usage{}
			slept := false
			for now := start; !slept && now.Sub(start) < 3*time.Minute; {
				used := map[string]time.Duration{"1": time.Hour + c.work(now.Sub(start))}
				d := decider.Decide(now, sleep.Sample{CPU: usage.Processors(now, idle, used)})
				slept, now = d.Sleep, now.Add(d.Next)
			}
			if slept != c.sleeps {
				t.Errorf("it sleeps: %v", slept)
			}
		})
	}
}

// TestUsageOfNewWorker: what a worker has used for its start does not count.
func TestUsageOfNewWorker(t *testing.T) {
	usage, now := sleep.Usage{}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, look := range []map[string]time.Duration{
		{"1": time.Hour}, {"1": time.Hour, "2": time.Minute}, {"2": time.Minute},
	} {
		if used := usage.Processors(now, time.Minute, look); used != 0 {
			t.Errorf("%v: %.2f processors", look, used)
		}
		now = now.Add(time.Second)
	}
	if used := usage.Processors(now, time.Minute, map[string]time.Duration{"2": time.Minute + 9*time.Second}); used < 0.5 {
		t.Errorf("%.2f processors", used)
	}
}
