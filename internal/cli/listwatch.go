package cli

import (
	"context"
	"encoding/json"
	"time"

	"relevo/internal/apps"
	"relevo/internal/machineview"
)

// look is what an earlier look at the apps has found. A nil look has found nothing.
type look struct {
	at   time.Time
	apps map[string]*apps.App
}

func lookAt(all []apps.App) *look {
	l := &look{time.Now(), map[string]*apps.App{}}
	for i := range all {
		l.apps[all[i].Name] = &all[i]
	}
	return l
}

// percent is how much of one processor the workers of an app use; nil: unknown.
func (l *look) percent(a apps.App) *float64 {
	if l == nil {
		return machineview.AppCPU(a, nil, time.Time{}, time.Now())
	}
	return machineview.AppCPU(a, l.apps[a.Name], l.at, time.Now())
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
