package cli

import (
	"fmt"
	"time"

	"relevo/internal/control"
	"relevo/pool"
)

// printHealth prints one line about the results of the health check.
func (c *cli) printHealth(s control.Status) {
	if s.Health == nil {
		return
	}
	interval := time.Duration(s.Health.IntervalMS) * time.Millisecond
	if !s.Asleep.IsZero() {
		fmt.Fprintf(c.stdout, "\nhealth: %s every %s: no worker is asked while the app sleeps\n", s.Health.Check, interval)
		return
	}
	if whole := s.Health.Pool; whole != nil {
		text := "well"
		if !whole.OK {
			text = unhealthy(whole)
		}
		fmt.Fprintf(c.stdout, "\nhealth: %s every %s, of the pool as a whole: %s%s\n", s.Health.Check, interval, text,
			answerTimes(*whole))
		return
	}
	asked, well, slowest := 0, 0, pool.Health{}
	for _, w := range s.Workers {
		if w.Health == nil {
			continue
		}
		if asked++; w.Health.OK {
			well++
		}
		if w.Health.MaxMS > slowest.MaxMS {
			slowest = *w.Health
		}
	}
	fmt.Fprintf(c.stdout, "\nhealth: %s every %s: %d of %d well%s\n", s.Health.Check, interval, well, asked,
		answerTimes(slowest))
}

// answerTimes are the times of the slowest worker.
func answerTimes(h pool.Health) string {
	if h.MaxMS == 0 {
		return ""
	}
	return fmt.Sprintf("; the slowest answers in %.3gms (median), %.3gms at most", h.MedianMS, h.MaxMS)
}

func unhealthy(h *pool.Health) string {
	text := "unhealthy: " + h.Fault
	if h.Out {
		text += " (gets no new clients)"
	}
	return text
}
