package cli

import (
	"context"
	"encoding/json"
	"time"

	"relevo/internal/apps"
)

// look is what an earlier look at the apps has found. A nil look has found nothing.
type look struct {
	at  time.Time
	cpu map[string]time.Duration
}

func lookAt(all []apps.App) *look {
	l := &look{time.Now(), map[string]time.Duration{}}
	for _, a := range all {
		l.cpu[a.Name] = a.Usage.CPU
	}
	return l
}

// percent is how much of one processor the workers of an app use: since the earlier look, or else
// since the oldest worker started; nil: unknown.
func (l *look) percent(a apps.App) *float64 {
	if a.Status == nil || a.Usage.Memory == 0 {
		return nil
	}
	since, used := time.Now(), a.Usage.CPU
	for _, w := range a.Status.Workers {
		if !w.Started.IsZero() && w.Started.Before(since) {
			since = w.Started
		}
	}
	if l != nil {
		// If a worker was replaced meanwhile, the sum lacks the time of its predecessor.
		if before, known := l.cpu[a.Name]; known && before <= used {
			since, used = l.at, used-before
		}
	}
	took := time.Since(since)
	if took <= 0 {
		return nil
	}
	part := 100 * used.Seconds() / took.Seconds()
	return &part
}

// watchList prints the list of apps that words name repeatedly.
func (c *cli) watchList(ctx context.Context, words []string, asJSON bool) error {
	lines := json.NewEncoder(c.stdout)
	var before *look
	return c.watching(ctx, asJSON, func(ctx context.Context) error {
		all, err := c.chosenApps(ctx, words)
		switch {
		case err != nil:
			return err
		case asJSON:
			err = lines.Encode(listed(all, before))
		default:
			err = c.printList(all, before)
		}
		before = lookAt(all)
		return err
	})
}
