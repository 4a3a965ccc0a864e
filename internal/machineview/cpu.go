package machineview

import (
	"time"

	"relevo/internal/apps"
	"relevo/pool"
)

// AppCPU is how much of one processor the workers of an app use, in percent: since an earlier
// look, or else since the oldest worker started; nil: unknown.
func AppCPU(a apps.App, earlier *apps.App, lookedAt, now time.Time) *float64 {
	if a.Status == nil || a.Usage.Memory == 0 {
		return nil
	}
	since, used := now, a.Usage.CPU
	for _, w := range a.Status.Workers {
		if !w.Started.IsZero() && w.Started.Before(since) {
			since = w.Started
		}
	}
	// If a worker was replaced meanwhile, the sum lacks the time of its predecessor.
	if earlier != nil && earlier.Status != nil && earlier.Usage.CPU <= used {
		since, used = lookedAt, used-earlier.Usage.CPU
	}
	return percent(used, now.Sub(since))
}

func workerCPU(w pool.Worker, uses map[int]apps.Usage, earlier *apps.App, lookedAt, now time.Time) *float64 {
	use, known := uses[w.PID]
	if !known || w.Started.IsZero() {
		return nil
	}
	since, used := w.Started, use.CPU
	if earlier != nil && lookedAt.After(w.Started) {
		if before, seen := earlier.Workers[w.PID]; seen {
			// A child that has ended takes its time with it.
			since, used = lookedAt, max(used-before.CPU, 0)
		}
	}
	return percent(used, now.Sub(since))
}

func percent(used, took time.Duration) *float64 {
	if took <= 0 {
		return nil
	}
	part := 100 * used.Seconds() / took.Seconds()
	return &part
}
