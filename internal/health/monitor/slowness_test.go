package monitor

import (
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/health"
)

// TestSlowness: the median of the last answers, in timeouts, of those that came since a time.
func TestSlowness(t *testing.T) {
	t.Parallel()
	b := newBench(t, config.Health{TCP: true})
	now := time.Now()
	if got := b.Slowness(now); got != 0 {
		t.Errorf("%g before any answer", got)
	}
	h := b.app.Load().Health
	b.begin(h)
	for worker, part := range map[string]float64{"a": 0.2, "b": 0.6, "c": 0.9} {
		b.judge.Note(health.Sample{Worker: worker, At: now, Took: time.Duration(part * float64(h.Patience()))})
	}
	if got := b.Slowness(now.Add(-time.Second)); got < 0.59 || got > 0.61 {
		t.Errorf("%g, want 0.6", got)
	}
	if got := b.Slowness(now); got != 0 {
		t.Errorf("%g of answers from before", got)
	}
}
