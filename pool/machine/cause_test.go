package machine

import (
	"testing"
	"time"
)

// TestCauseOfRoll: all workers that a roll by the clock starts have the cause of that roll: forward,
// back, and after another roll. The workers of a user's later roll have not.
func TestCauseOfRoll(t *testing.T) {
	m := New(Options{Canary: time.Hour})
	expect := func(want Cause, effects []Effect) {
		t.Helper()
		for _, e := range effects {
			if s, ok := e.(Spawn); ok {
				if s.Cause != want {
					t.Errorf("worker %d is started with the cause %q, want %q", s.Worker, s.Cause, want)
				}
				return
			}
		}
		t.Errorf("no worker is started in %v", effects)
	}
	expect(CauseFirst, m.Step(epoch, Start{Workers: 2, Generation: 1}))
	m.Step(epoch, Ready{1})
	m.Step(epoch, Ready{2})
	expect(CauseCron, m.Step(epoch, Roll{Generation: 2, Cause: CauseCron}))
	m.Step(epoch, Ready{3})
	m.Step(epoch, Roll{Generation: 3, Cause: CauseCron}) // supersedes the roll once its canary has left
	m.Step(epoch, Ready{4})
	expect(CauseCron, m.Step(epoch, Promote{}))
	next, err := succeed(m)
	if err != nil {
		t.Fatal(err)
	}
	expect(CauseCron, next.Step(epoch, Abort{"a user asked for it"}))
	m.Step(epoch, Roll{Generation: 4}) // waits
	expect(CauseRoll, m.Step(epoch, Ready{5}))
}

// TestCauseAfterStorm: if one worker of a release dies again and again, a roll back to the old
// release replaces the other workers, too.
func TestCauseAfterStorm(t *testing.T) {
	m, now := New(Options{Canary: -1}), epoch
	var newest [2]Spawn // the newest spawn in each slot
	step := func(e Event) {
		for todo := []Event{e}; len(todo) > 0; todo = todo[1:] {
			for _, effect := range m.Step(now, todo[0]) {
				if s, ok := effect.(Spawn); ok {
					newest[s.Slot], todo = s, append(todo, Ready{s.Worker})
				}
			}
		}
	}
	step(Start{Workers: 2, Generation: 1})
	step(Roll{Generation: 2})
	for range 10 { // until the storm
		step(Exited{Worker: newest[0].Worker, Reason: "died", Blame: BlameProgram})
		if next := m.Next(); next.After(now) {
			now = next
		}
		step(Tick{})
	}
	if s := newest[1]; s.Generation != 1 || s.Cause != CauseRoll {
		t.Errorf("the other worker was replaced by %+v; want generation 1 for the cause roll", s)
	}
}
