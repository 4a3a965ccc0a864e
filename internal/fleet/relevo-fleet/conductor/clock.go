package conductor

import (
	"slices"
	"time"

	"relevo/internal/fleet/plan"
)

// clock measures by this process's own clock how long things are as they are. A conductor that follows another
// one begins to measure again: waits get longer by that, never shorter.
type clock struct {
	revision int64                // of the deploy
	since    time.Time            // when it was first seen
	stage    string               // whose members have all done their turn
	done     time.Time            // since when
	away     map[string]time.Time // machines that are away, and since when
}

// awaited is how long a machine that goes away is awaited before a deploy ends without it: a little longer than
// agents need to connect again after etcd was away.
const awaited = 20 * time.Second

func (c *clock) look(s scene, now time.Time) {
	if s.deploy.Revision() != c.revision {
		c.revision, c.since = s.deploy.Revision(), now
	}
	c.await(s.machines, now)
	switch id := s.deploy.TurnID(); {
	case !allDone(s), unseen(s) && !(c.stage == id && now.Sub(c.done) >= s.deploy.Bake):
		c.stage = ""
	case c.stage != id:
		c.stage, c.done = id, now
	}
}

// await marks the machines that have gone away a moment ago. A conductor that is new does not know, and waits
// for all that are away.
func (c *clock) await(machines []plan.Machine, now time.Time) {
	if c.away == nil {
		c.away = map[string]time.Time{}
	}
	for i, m := range machines {
		since, known := c.away[m.Name]
		switch {
		case m.Present:
			delete(c.away, m.Name)
		case !known:
			since = now
			c.away[m.Name] = now
		}
		machines[i].Awaited = !m.Present && now.Sub(since) < awaited
	}
}

// bakes says whether all members of the open stage have done their turn.
func (c *clock) bakes() bool { return c.stage != "" }

func (c *clock) seen(now time.Time) (s plan.Seen) {
	s.Waited = now.Sub(c.since)
	if c.bakes() {
		s.Baked = now.Sub(c.done)
	}
	return s
}

// allDone says whether all members of the open stage have done their turn.
func allDone(s scene) bool {
	return s.deploy.Open && !slices.ContainsFunc(s.machines, func(m plan.Machine) bool {
		return m.Turn == plan.Given || m.Turn == plan.Failed
	})
}

// unseen says whether a canary that has to bake cannot be seen now: it bakes again when it can.
func unseen(s scene) bool {
	if !s.deploy.Proving || s.deploy.Bake == 0 {
		return false
	}
	return s.blind || slices.ContainsFunc(s.machines, func(m plan.Machine) bool {
		return !m.Present && slices.Contains(s.deploy.Members, m.Name)
	})
}
