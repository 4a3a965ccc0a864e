package cli

import (
	"fmt"
	"time"

	"relevo/internal/control"
	"relevo/internal/phrase"
)

// printScale prints a line about what decides on the number of workers.
func (c *cli) printScale(s control.Status) {
	if s.Scale == nil {
		return
	}
	text := fmt.Sprintf("%d of %d to %d, as the load needs", s.Slots, s.Scale.Min, s.Scale.Max)
	switch {
	case s.Scale.Fixed:
		text = fmt.Sprintf("%d by relevo scale; %d to %d as the load needs after relevo scale %s auto", s.Slots, s.Scale.Min,
			s.Scale.Max, s.Name)
	case s.Scale.Min == s.Scale.Max:
		text = fmt.Sprintf("%d, whatever the load: %d to %d has nothing between", s.Slots, s.Scale.Min, s.Scale.Max)
	}
	switch {
	case !s.Asleep.IsZero():
		text = fmt.Sprintf("none for %s; the next client wakes one", shortDuration(time.Since(s.Asleep)))
		if s.Noted != nil {
			text += ", of the release " + releaseText(s.Noted) + ", which is tried then"
		}
	case s.Scale.Idle != "" && !s.Scale.Fixed:
		text += fmt.Sprintf("; none after %s without a client", s.Scale.Idle)
	}
	if s.Scale.Reason != "" && s.Asleep.IsZero() {
		text += fmt.Sprintf("; last change %s ago: %s", shortDuration(time.Since(s.Scale.At)), s.Scale.Reason)
	}
	fmt.Fprintf(c.stdout, "\nworkers: %s\n", text)
}

// workers writes the number of workers for people.
func (r *checked) workers() string {
	if r.MostWorkers > 0 {
		return fmt.Sprintf("%d to %s", r.Workers, phrase.Count(r.MostWorkers, "worker"))
	}
	return phrase.Count(r.Workers, "worker")
}
