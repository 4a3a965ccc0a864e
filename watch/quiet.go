package watch

import "time"

// quiet is a debounce with an upper bound. It is due when no hint has come for min, or when
// max has passed since the first hint. It reads no clock.
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

// wait returns how long the quiet period still lasts, 0 if it is over.
func (q *quiet) wait(now time.Time) time.Duration {
	due := q.last.Add(q.min)
	if limit := q.first.Add(q.max); limit.Before(due) {
		due = limit
	}
	return max(0, due.Sub(now))
}

// clear forgets the hints, after the look that they asked for.
func (q *quiet) clear() { q.first, q.last = time.Time{}, time.Time{} }
