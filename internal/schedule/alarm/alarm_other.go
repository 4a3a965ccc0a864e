//go:build !linux

package alarm

import (
	"context"
	"time"
)

func waitForClock(context.Context, time.Time) (able bool, err error) { return false, nil }
