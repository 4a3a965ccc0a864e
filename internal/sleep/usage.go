package sleep

import "time"

// Usage averages the processors that workers use, so that the short work of a health check does not
// look like that of clients. It is not safe for concurrent use.
type Usage struct {
	began time.Time                // of the span that is measured
	used  map[string]time.Duration // by then, for each worker
}

// longestSpan is the longest time over which the use is averaged.
const longestSpan = 10 * time.Second

// Processors is how many processors the workers have used since the span began; total has the
// processor time of each worker since its start. What a span has used counts as that of the whole
// span from its beginning on, so work is seen as soon as it is too much for one. A new worker counts
// from now on: it has started. The span is half of the time without clients, or longestSpan.
func (u *Usage) Processors(now time.Time, idle time.Duration, total map[string]time.Duration) float64 {
	span := min(idle/2, longestSpan)
	took := now.Sub(u.began)
	over := took >= span || took < 0 // or the clock was put back
	used := map[string]time.Duration{}
	var spent time.Duration
	for id, sum := range total {
		before, known := u.used[id]
		if !known {
			before = sum
		}
		spent += max(sum-before, 0)
		if used[id] = before; over {
			used[id] = sum
		}
	}
	if over {
		u.began = now
	}
	u.used = used
	return float64(spent) / float64(max(took, span))
}
