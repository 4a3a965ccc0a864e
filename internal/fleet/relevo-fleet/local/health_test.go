package local

import (
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
)

// TestClockSetBack: a roll that the master has undone automatically is a fault, even if the clock
// was set back by an hour after the turn. A roll from before the turn is not.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	a, turn := open(t, Options{}), time.Now()
	if err := a.became(kept{}, kept{"1", "", 4}, mark{Roll: turn}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ended time.Time
		fault bool
	}{"the last roll of the turn": {turn, false}, "an hour before": {turn.Add(-time.Hour), true}} {
		last := pool.RollResult{Result: machine.RolledBack, Reason: "dies", Automatic: true, Ended: c.ended}
		if h := a.judge(pool.Status{LastRoll: &last}, time.Time{}); (h.Fault != "") != c.fault {
			t.Errorf("%s: fault %q", name, h.Fault)
		}
	}
}
