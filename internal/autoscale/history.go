package autoscale

import "time"

// history is the largest need of each of the last minutes.
type history struct {
	minutes [int(remembered/time.Minute) + 1]struct {
		begin time.Time
		most  int
	}
}

func (h *history) note(now time.Time, need int) {
	minute := now.Truncate(time.Minute)
	at := &h.minutes[int(minute.Unix()/60)%len(h.minutes)]
	if !at.begin.Equal(minute) {
		at.begin, at.most = minute, 0
	}
	at.most = max(at.most, need)
}

// most is the largest need that is remembered.
func (h *history) most(now time.Time) (most int) {
	for _, m := range h.minutes {
		if age := now.Sub(m.begin); age >= 0 && age < remembered+time.Minute {
			most = max(most, m.most)
		}
	}
	return most
}
