package pool_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"relevo/pool"
	"relevo/pool/pooltest"
)

// wantStartError waits for the end of a pool whose start failed.
func (r *rig) wantStartError(reason string) {
	r.t.Helper()
	<-r.ran
	var failed *pool.StartError
	if !errors.As(r.err, &failed) || failed.Reason != reason {
		r.t.Errorf("Run returned %v, want a StartError: %s", r.err, reason)
	}
}

// TestSuccessionWhileBooting: the start continues under the next master, with the same result.
func TestSuccessionWhileBooting(t *testing.T) {
	for _, serves := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			v1 := pooltest.NewRelease("v1", nil)
			r := start(t, 2, v1)
			v1.Process(1).Exit(3)
			synctest.Wait()
			r = r.succeed()
			wantEqual(t, "state", r.status().State, "booting")
			if !serves {
				v1.Process(2).Exit(4)
				r.wantStartError("exit status 4")
				return
			}
			v1.Process(2).Ready()
			synctest.Wait()
			wantEqual(t, "last event", r.last(pool.KindStarted).Kind, pool.KindStarted)
			for _, p := range v1.Living() {
				go leaves(p)
			}
		})
	}
}

// TestSuccessionOfAFailedStart: a master is killed while it ends the last worker of a failed start.
// For the next master that start has failed, too; it is not a graceful end.
func TestSuccessionOfAFailedStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keeper := &shelf{files: map[string]bool{}}
		v1 := pooltest.NewRelease("v1", nil)
		r := start(t, 1, v1, func(o *pool.Options) { o.Keeper = keeper })
		pass(31 * time.Second) // a worker has 30 s to get ready
		wantEqual(t, "state", r.status().State, "halting")
		if _, err := r.freeze(); !errors.Is(err, pool.ErrNotRunning) {
			t.Errorf("freeze: %v", err)
		}
		left := keeper.saved
		v1.Process(1).Exit(0)
		r.wantStartError("not ready within 30s")
		if len(keeper.files) > 0 {
			t.Errorf("a pool that did not start has left %v", keeper.files)
		}
		next := r.takeOver(left)
		next.releases = nil // the first pool has closed them
		next.wantStartError("not ready within 30s")
	})
}

// TestFreezeBesideTheEndOfAStart: the last worker of a start dies while the pool is frozen. The
// start has failed, and no worker is left for the next master.
func TestFreezeBesideTheEndOfAStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", nil)
		r := start(t, 1, v1)
		v1.Process(1).DieUnheard(pool.Exited{Status: pool.ExitStatus{Code: 5}})
		answer := make(chan error, 1)
		go func() { _, err := r.freeze(); answer <- err }()
		synctest.Wait()
		v1.Process(1).Heard()
		if err := <-answer; !errors.Is(err, pool.ErrNotRunning) {
			t.Errorf("freeze: %v", err)
		}
		r.wantStartError("exit status 5")
	})
}
