package alarm

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(50 * time.Millisecond)
	if err := Wait(t.Context(), until); err != nil || time.Now().Before(until) {
		t.Errorf("%v at %s, want nil from %s on", err, time.Now(), until)
	}
	if err := Wait(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Errorf("a time that has passed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Wait(ctx, time.Now().Add(time.Hour)) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
