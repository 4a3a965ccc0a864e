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

// WorkerCPU is how much of one processor a worker uses, in percent, if it has used so much: since
// an earlier look, at which it had used before, or else since it started; nil: unknown.
func WorkerCPU(started time.Time, used time.Duration, before *time.Duration, lookedAt, now time.Time) *float64 {
	if started.IsZero() {
		return nil
	}
	since := started
	if before != nil && lookedAt.After(started) {
		// A child that has ended takes its time with it.
		since, used = lookedAt, max(used-*before, 0)
	}
	return percent(used, now.Sub(since))
}

func workerCPU(w pool.Worker, uses map[int]apps.Usage, earlier *apps.App, lookedAt, now time.Time) *float64 {
	use, known := uses[w.PID]
	if !known {
		return nil
	}
	var before *time.Duration
	if earlier != nil {
		if used, seen := earlier.Workers[w.PID]; seen {
			before = &used.CPU
		}
	}
	return WorkerCPU(w.Started, use.CPU, before, lookedAt, now)
}

func percent(used, took time.Duration) *float64 {
	if took <= 0 {
		return nil
	}
	part := 100 * used.Seconds() / took.Seconds()
	return &part
}
