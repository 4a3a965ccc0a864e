package master

import (
	"context"
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/pooltest"
)

// TestStopBesideThaw: a stop signal that finds the pool handed over is not forgotten where
// the attempt to replace the master has failed in that very moment.
func TestStopBesideThaw(t *testing.T) {
	m := beginner(t)
	served := pool.New(pool.Options{App: "web", Workers: 1, Release: pooltest.NewRelease("v1", pooltest.Obedient)})
	m.pool.Store(served)
	ended := make(chan error, 1)
	go func() { ended <- served.Run(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m.succession.mu.Lock()
	if _, err := served.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	m.stopAs("terminated", false) // after thaw has looked whether a stop was asked for
	if err := served.Thaw(); err != nil {
		t.Fatal(err)
	}
	m.succession.mu.Unlock()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("the stop was forgotten")
	}
	m.later.Wait()
}
