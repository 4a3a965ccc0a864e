package scaler

import (
	"math"
	"time"

	"relevo/internal/autoscale"
	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/pool/machine"
)

// meter measures the workers, and keeps the counters of the last look to compare with.
type meter struct {
	o       Options
	at      time.Time // of the last look
	used    map[string]time.Duration
	dropped int
	places  map[string]launch.Place // of the workers
	changed time.Time               // when the number of workers has changed last
}

func serving(status pool.Status) (all []pool.Worker) {
	for _, w := range status.Workers {
		if w.State == string(machine.Serving) {
			all = append(all, w)
		}
	}
	return all
}

// sample looks at everything but the memory.
func (m *meter) sample(now time.Time, status pool.Status) autoscale.Sample {
	workers := serving(status)
	s := autoscale.Sample{Workers: status.Slots, Serving: len(workers), Held: held(status),
		Processors: float64(config.CPUs()), Slowness: m.o.Slowness(m.changed)}
	queues := m.o.Listeners().Queues()
	s.Waiting = queues.Waiting
	if !m.at.IsZero() {
		s.Dropped = max(queues.Dropped-m.dropped, 0)
	}
	m.dropped = queues.Dropped
	s.CPU, s.Pressure = m.processors(now, workers)
	s.Said = said(workers)
	m.at = now
	return s
}

// processors is how many the workers have used since the last look, and for which part of
// the time they have waited for one. Workers that are new since then do not count: they start.
func (m *meter) processors(now time.Time, workers []pool.Worker) (cpu, pressure float64) {
	used, places := map[string]time.Duration{}, map[string]launch.Place{}
	var spent time.Duration
	for _, w := range workers {
		place, known := m.places[w.ID]
		if !known {
			place = launch.PlaceOf(w.PID)
		}
		total, err := place.CPU()
		if err != nil {
			continue // it has ended
		}
		places[w.ID], used[w.ID] = place, total
		if before, known := m.used[w.ID]; known {
			spent += max(total-before, 0)
		}
		pressure = max(pressure, place.Pressure())
	}
	if took := now.Sub(m.at); took > 0 && !m.at.IsZero() {
		cpu = float64(spent) / float64(took)
	}
	m.used, m.places = used, places
	return cpu, pressure
}

// said is the mean of what the workers say of their load.
func said(workers []pool.Worker) float64 {
	sum, n := 0.0, 0
	for _, w := range workers {
		if w.Load != nil {
			sum, n = sum+*w.Load, n+1
		}
	}
	return sum / float64(max(n, 1))
}

// room is for how many more workers there is memory, of the size of the largest one.
func (m *meter) room(status pool.Status) int {
	var largest int64
	for _, w := range serving(status) {
		if used, err := launch.Memory(w.PID); err == nil {
			largest = max(largest, used)
		}
	}
	free, known := launch.FreeMemory()
	if !known || largest == 0 {
		return math.MaxInt32
	}
	app := m.o.App()
	return int(max(free-app.Limits.MemoryReserve, 0) / largest)
}
