package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/health"
	"relevo/pool"
)

// tell reports changes of workers, and of the pool as a whole.
func (m *Monitor) tell(h config.Health, ofWorkers, ofWhole []health.News) {
	for _, n := range ofWorkers {
		switch n.Kind {
		case health.Failing:
			m.tellWorker(n.Worker, pool.Event{Kind: pool.KindUnhealthy, Reason: health.Reason(n.Fault)})
		case health.Recovered:
			m.tellWorker(n.Worker, pool.Event{Kind: pool.KindHealthy})
		case health.Unproven:
			m.tellPool(pool.KindUnhealthy, unproven(h, n))
		case health.AllFail:
			m.tellPool(pool.KindUnhealthy,
				fmt.Sprintf("all %d workers fail their health check: %s; the cause is likely outside of them, "+
					"and all stay in service", n.Count, n.Fault))
		case health.AllOver:
			m.tellPool(pool.KindHealthy, "not all workers fail their health check any more")
		case health.Proven:
			m.tellPool(pool.KindHealthy, "the health check is passed: "+h.String())
		}
	}
	for _, n := range ofWhole {
		switch n.Kind {
		case health.Failing:
			m.tellPool(pool.KindUnhealthy, "the pool fails its health check: "+n.Fault+
				"; its workers share a socket, and none is replaced for it")
		case health.Unproven:
			m.tellPool(pool.KindUnhealthy, unproven(h, n))
		case health.Recovered, health.Proven:
			m.tellPool(pool.KindHealthy, "the pool passes its health check: "+h.String())
		}
	}
}

// unproven names the setting that is likely wrong.
func unproven(h config.Health, n health.News) string {
	hint := cmp.Or(hint(h, n.Fault, n.Status), "correct the check, or the program")
	return fmt.Sprintf("no worker has ever passed the health check: %s; none is replaced for it; %s", n.Fault, hint)
}

func (m *Monitor) tellWorker(id string, e pool.Event) {
	if err := m.o.Pool().PublishFor(id, e); err != nil {
		m.o.Log.Debug("not told", "worker", id, "err", err)
	}
}

// tellPool reports changes of the whole pool, and sets the warning of the status while it fails.
func (m *Monitor) tellPool(kind pool.Kind, text string) {
	m.o.Pool().Publish(pool.Event{Kind: kind, Reason: text})
	if kind == pool.KindHealthy {
		text = ""
	}
	m.o.Warn(text)
}

// Describe adds the answers of the workers to a status.
func (m *Monitor) Describe(s *control.Status) {
	h := m.o.App().Health
	if !h.On() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Health = &control.Health{Check: h.String(), IntervalMS: h.Interval.Milliseconds()}
	if m.judge == nil {
		return
	}
	for i := range s.Workers {
		if r := m.judge.Record(s.Workers[i].ID); r != nil && s.Workers[i].ID != "" {
			s.Workers[i].Health = seen(r, h, m.judge.State().Out == s.Workers[i].ID)
		}
	}
	if m.whole != nil {
		if r := m.whole.Record(wholePool); r != nil {
			s.Health.Pool = seen(r, h, false)
		}
	}
}

// Slowness is how late the answers since a time are, as the median of the workers; 1 means as late
// as the timeout.
func (m *Monitor) Slowness(since time.Time) float64 {
	h := m.o.App().Health
	if !h.On() {
		return 0
	}
	all := m.latencies(since)
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[(len(all)-1)/2]) / float64(h.Patience())
}

func (m *Monitor) latencies(since time.Time) (all []time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, judge := range []*health.Judge{m.judge, m.whole} {
		if judge == nil {
			continue
		}
		for _, r := range judge.State().Workers {
			if r.At.After(since) && !r.Latency.IsZero() {
				all = append(all, r.Latency.Last())
			}
		}
	}
	return all
}

func seen(r *health.Record, h config.Health, out bool) *pool.Health {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return &pool.Health{
		OK: r.Fault == "", Fault: r.Fault, At: r.At, Failures: r.Failures, Out: out && r.Failures >= h.Failures,
		LastMS: ms(r.Latency.Last()), MedianMS: ms(r.Latency.Median()), MaxMS: ms(r.Latency.Max()),
	}
}
