package alarm

import (
	"context"
	"time"
)

// Wait returns nil when the clock shows a time or a later one. It may return nil earlier, so look at
// the clock and call it again. It returns an error when ctx ends.
func Wait(ctx context.Context, until time.Time) error {
	if able, err := waitForClock(ctx, until); able {
		return err
	}
	timer := time.NewTimer(min(time.Until(until), time.Minute))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
