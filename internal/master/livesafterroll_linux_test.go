package master

import (
	"testing"

	"relevo/internal/config"
	"relevo/internal/generations"
	"relevo/pool"
	"relevo/pool/machine"
)

// TestRollEndsInAFreeze: a roll ends while another master is about to take over. What follows from
// the roll is done by that master, or by this one if that cannot take over.
func TestRollEndsInAFreeze(t *testing.T) {
	t.Parallel()
	l := newLives(t, config.UpgradeTableflip)
	l.works(t, "first")
	l.first()
	l.serves(0)
	workers := func(n int) {
		until(t, "the number of workers is lost", func() bool { return l.serves(anyNumber).Slots == n })
	}
	live := func(n int) *generations.Ended {
		now := l.now.Load()
		app := now.app()
		app.Workers = n
		before, after := now.generations.SetLive(app)
		return &generations.Ended{Tried: now.serving(), From: now.serving(), Before: before, Now: after}
	}
	l.rewrite = func([]byte) []byte { // the pool is frozen
		box := l.now.Load().box
		box.post(rollEnded{pool.RollResult{Generation: 1, Result: machine.OK}, live(3)})
		if err := box.settled(t.Context()); err != nil {
			t.Error(err)
		}
		return nil // an empty legacy, which no master can take over
	}
	if err := l.upgrade(); err == nil {
		t.Error("a master has taken over an empty legacy")
	}
	workers(3)
	l.rewrite = nil
	live(2) // this roll has ended, and nothing has followed from it yet
	l.succeed(1)
	workers(2)
	if _, err := l.client().Scale(t.Context(), "+2"); err != nil {
		t.Error(err)
	}
	l.succeed(1)
	l.now.Load().followServing()
	workers(4) // not from the configuration, but from a user
	l.end()
}
