package plan

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func fleetOf(names ...string) (ms []Machine) {
	for _, name := range names {
		group, _, _ := strings.Cut(name, "-")
		ms = append(ms, Machine{Name: name, Group: group, Present: true})
	}
	return ms
}

var ofFive = Deploy{State: Rolling, Canary: 1, Wave: 2, MaxUnavailable: -1, TurnTimeout: time.Minute, Bake: time.Minute}

// TestGoodDeploy: the canary, then waves with machines of one group each, then the end.
func TestGoodDeploy(t *testing.T) {
	t.Parallel()
	d, ms := ofFive, fleetOf("b-2", "a-1", "a-2", "b-1", "b-3")
	want := [][]string{{"a-1"}, {"a-2"}, {"b-1", "b-2"}, {"b-3"}}
	for i, members := range want {
		a := Next(d, ms, Seen{Baked: time.Minute})
		if a.Kind != Enter || !slices.Equal(a.Members, members) {
			t.Fatalf("stage %d: %+v, want %v", i+1, a, members)
		}
		d = Apply(d, a)
		for j := range ms {
			if slices.Contains(members, ms[j].Name) {
				ms[j].Turn, ms[j].Has, ms[j].Changed = Done, true, true
			}
		}
	}
	if a := Next(d, ms, Seen{Baked: time.Minute}); a.Kind != Finish || Apply(d, a).State != Complete {
		t.Errorf("at the end: %+v", a)
	}
}

// TestDecisions: what one look decides. Each row changes the deploy, or one of five machines; the
// first is the canary and has finished its turn.
func TestDecisions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(d *Deploy, ms []Machine, s *Seen)
		kind   Kind
		reason string
		after  State // of Apply
	}{
		"the canary bakes": {func(_ *Deploy, _ []Machine, s *Seen) { s.Baked = time.Second }, Wait, "bakes", Rolling},
		"a wave follows":   {func(*Deploy, []Machine, *Seen) {}, Enter, "", Rolling},
		"its turn failed": {func(_ *Deploy, ms []Machine, _ *Seen) { ms[0].Turn, ms[0].Error = Failed, "exit 3" }, Fail,
			"a-1: exit 3", Held},
		"a failure takes back": {func(d *Deploy, ms []Machine, _ *Seen) { d.RollBack = true; ms[0].Fault = "dies" },
			Fail, "a-1: dies", RollingBack},
		"a fault of a machine with the old release": {func(_ *Deploy, ms []Machine, _ *Seen) { ms[1].Fault = "dies" },
			Enter, "", Rolling},
		"too many with a fault": {func(d *Deploy, ms []Machine, _ *Seen) { d.MaxUnavailable = 0; ms[1].Fault = "dies" },
			Wait, "away or with a fault: 1 of the machines; at most 0 may be", Rolling},
		"the canary is late": {func(_ *Deploy, ms []Machine, s *Seen) { ms[0].Turn, s.Waited = Given, time.Minute },
			Fail, "a-1: its turn has not ended within 1m0s", Held},
		"the canary is away": {func(_ *Deploy, ms []Machine, _ *Seen) { ms[0].Turn, ms[0].Present = Given, false },
			Wait, "a-1 has its turn", Rolling},
		"the canary goes away while it bakes": {func(_ *Deploy, ms []Machine, s *Seen) { ms[0].Present, s.Baked = false, 0 },
			Fail, "a-1: it has gone away while it baked", Held},
		"the canary may be back at once": {func(_ *Deploy, ms []Machine, s *Seen) {
			ms[0].Present, ms[0].Awaited, s.Baked = false, true, 0
		}, Wait, "a-1 is away, and may be back at once", Rolling},
		"the canary goes away when it has baked": {func(_ *Deploy, ms []Machine, _ *Seen) { ms[0].Present = false },
			Enter, "", Rolling},
		"another one is at work": {func(_ *Deploy, ms []Machine, _ *Seen) { ms[3].Working = true }, Wait,
			"b-1 has its turn", Rolling},
		"the check has not passed": {func(_ *Deploy, _ []Machine, s *Seen) { s.Unchecked = true }, Wait,
			"waits for the check", Rolling},
		"the check failed": {func(_ *Deploy, _ []Machine, s *Seen) { s.CheckFailed = "the check: exit 1" }, Fail,
			"the check: exit 1", Held},
		"paused": {func(d *Deploy, _ []Machine, _ *Seen) { d.State = Paused }, Wait, "the deploy is paused", Paused},
		"a failure while paused": {func(d *Deploy, ms []Machine, _ *Seen) { d.State = Paused; ms[0].Turn = Failed },
			Fail, "a-1: its turn failed", Held},
		"late to a complete deploy": {func(d *Deploy, ms []Machine, _ *Seen) {
			d.State, d.RollBack = Complete, true
			ms[0].Turn = Failed
		}, Fail, "a-1: its turn failed", Held},
		"the others are away": {func(_ *Deploy, ms []Machine, _ *Seen) {
			for i := range ms[1:] {
				ms[i+1].Present = false
			}
		}, Finish, "", Complete},
		"the others may be back at once": {func(_ *Deploy, ms []Machine, _ *Seen) {
			for i := range ms[1:] {
				ms[i+1].Present, ms[i+1].Awaited = false, true
			}
		}, Wait, "b-2 is away, and may be back at once", Rolling},
	} {
		d, ms, seen := ofFive, fleetOf("a-1", "a-2", "a-3", "b-1", "b-2"), Seen{Baked: time.Minute}
		d.Stage, d.Open, d.Proving, d.Members = 1, true, true, []string{"a-1"}
		ms[0].Turn, ms[0].Has, ms[0].Changed = Done, true, true
		c.change(&d, ms, &seen)
		a := Next(d, ms, seen)
		if a.Kind != c.kind || a.Reason != c.reason || Apply(d, a).State != c.after {
			t.Errorf("%s: %+v, then %s", name, a, Apply(d, a).State)
		}
	}
}

// TestRollBackTakesEveryChangedMachine: the changed machines are rolled back in waves, and no other
// machine is.
func TestRollBackTakesEveryChangedMachine(t *testing.T) {
	t.Parallel()
	ms := fleetOf("a-1", "a-2", "b-1", "b-2", "b-3")
	for i := range 3 {
		ms[i].Has, ms[i].Changed = true, true
	}
	d, err := Heed(ofFive, Rollback)
	if err != nil {
		t.Fatal(err)
	}
	for _, members := range [][]string{{"a-1", "a-2"}, {"b-1"}} {
		a := Next(d, ms, Seen{})
		if !slices.Equal(a.Members, members) {
			t.Fatalf("%+v, want %v", a, members)
		}
		d = Apply(d, a)
		for i := range ms {
			if slices.Contains(members, ms[i].Name) {
				ms[i].Turn, ms[i].Has, ms[i].Changed = Done, false, false
			}
		}
	}
	if d = Apply(d, Next(d, ms, Seen{})); d.State != RolledBack || d.Open {
		t.Errorf("at the end: %+v", d)
	}
}

// TestWishes: each wish in each state is either done, or refused with the states in which it is
// possible.
func TestWishes(t *testing.T) {
	t.Parallel()
	want := map[Wish]map[State]State{
		Pause:  {Rolling: Paused},
		Resume: {Paused: Rolling, Held: Rolling},
		Abort:  {Rolling: Aborted, Paused: Aborted, Held: Aborted, RollingBack: Aborted},
		Rollback: {Rolling: RollingBack, Paused: RollingBack, Held: RollingBack, Complete: RollingBack,
			Aborted: RollingBack},
	}
	for wish, table := range want {
		for _, state := range States {
			d, err := Heed(Deploy{State: state}, wish)
			if to, ok := table[state]; ok != (err == nil) || ok && d.State != to {
				t.Errorf("%s in %s: %s, %v", wish, state, d.State, err)
			}
		}
	}
}
