package conductor

import (
	"testing"
	"time"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/store"
)

// TestBakes: the time during which the conductor has not seen a canary does not count as baked. A
// canary that it has seen to the end of its time has baked.
func TestBakes(t *testing.T) {
	t.Parallel()
	c, now := clock{}, time.Now()
	s := scene{deploy: store.Deploy{Deploy: plan.Deploy{State: plan.Rolling, Stage: 1, Open: true, Proving: true,
		Bake: time.Minute, Members: []string{"m1"}}},
		machines: []plan.Machine{{Name: "m1", Turn: plan.Done, Present: true}}}
	for _, step := range []struct {
		what           string
		after          time.Duration
		present, blind bool
		baked          time.Duration
	}{
		{"it has done its turn", 0, true, false, 0},
		{"it bakes", 50 * time.Second, true, false, 50 * time.Second},
		{"it is away", 5 * time.Second, false, false, 0},
		{"it is still away", time.Minute, false, false, 0},
		{"it is back", time.Second, true, false, 0},
		{"it bakes again", 30 * time.Second, true, false, 30 * time.Second},
		{"etcd cannot be followed", time.Second, true, true, 0},
		{"it cannot for long", time.Hour, true, true, 0},
		{"etcd is back", 0, true, false, 0},
		{"it has baked", time.Minute, true, false, time.Minute},
		{"it goes away after that", time.Second, false, false, 61 * time.Second},
	} {
		now = now.Add(step.after)
		s.machines[0].Present, s.blind = step.present, step.blind
		c.look(s, now)
		if baked := c.seen(now).Baked; baked != step.baked {
			t.Errorf("%s: baked for %s, not %s", step.what, baked, step.baked)
		}
	}
}
