package feed

import (
	"context"
	"fmt"
	"time"

	"relevo/internal/control"
	"relevo/internal/monit"
	"relevo/internal/phrase"
	"relevo/pool"
)

// Do asks the app's master, and says what has become of it.
func (f *Feed) Do(ctx context.Context, r monit.Request) (string, error) {
	client, err := f.Connect(ctx, r.App)
	if err != nil {
		return "", err
	}
	switch r.Action {
	case monit.Roll:
		return rolled(r.App)(client.Reload(ctx, control.ReloadOptions{}))
	case monit.Rollback:
		return rolled(r.App)(client.Rollback(ctx, ""))
	case monit.More:
		return scaled(r.App)(client.Scale(ctx, "+1"))
	case monit.Fewer:
		return scaled(r.App)(client.Scale(ctx, "-1"))
	}
	recycled, err := client.Recycle(ctx, r.Slot)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: a new worker replaces worker %s in slot %d", r.App, recycled.Worker, recycled.Slot), nil
}

func rolled(app string) func(pool.RollResult, error) (string, error) {
	return func(r pool.RollResult, err error) (string, error) {
		if err != nil {
			return "", err
		}
		if failure := r.Error(); failure != nil {
			return "", failure
		}
		return fmt.Sprintf("%s: generation %d serves, %s replaced in %s", app, r.Generation,
			phrase.Count(r.Replaced, "worker"), r.Ended.Sub(r.Started).Round(time.Millisecond)), nil
	}
}

func scaled(app string) func(control.Scaled, error) (string, error) {
	return func(s control.Scaled, err error) (string, error) {
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s: from %d to %s", app, s.From, phrase.Count(s.To, "worker")), nil
	}
}
