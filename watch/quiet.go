package watch

import "time"

// quiet is a trailing debounce with an upper bound: due once no hint came for
// min, or max after the first hint. It reads no clock.
type quiet struct {
	min, max    time.Duration
	first, last time.Time
}

func (q *quiet) hint(now time.Time) {
	if q.first.IsZero() {
		q.first = now
	}
	q.last = now
}

// wait returns how long it is until the quiet period is over, 0 if it is.
func (q *quiet) wait(now time.Time) time.Duration {
	due := q.last.Add(q.min)
	if limit := q.first.Add(q.max); limit.Before(due) {
		due = limit
	}
	return max(0, due.Sub(now))
}

// clear forgets the hints, which have been acted on.
func (q *quiet) clear() { q.first, q.last = time.Time{}, time.Time{} }
