package machine

import (
	"encoding/json"
	"errors"
	"testing"
)

// succeed returns a machine that was written to a document and read again, as in a succession. In
// every random story a twin does that at each step, and must answer as the machine does.
func succeed(m *Machine) (*Machine, error) {
	document, err := json.Marshal(m.Legacy())
	if err != nil {
		return nil, err
	}
	var l Legacy
	if err := json.Unmarshal(document, &l); err != nil {
		return nil, err
	}
	return TakeOver(l)
}

func TestTakeOverRefusesContradictions(t *testing.T) {
	whole := func() Legacy {
		m := New(Options{})
		m.Step(epoch, Start{Workers: 2, Generation: 1})
		m.Step(epoch, Ready{1})
		m.Step(epoch, Ready{2})
		m.Step(epoch, Roll{Generation: 2})
		return m.Legacy()
	}
	if _, err := TakeOver(whole()); err != nil {
		t.Fatalf("a state without contradictions: %v", err)
	}
	for name, damage := range map[string]func(*Legacy){
		"unknown worker in a slot": func(l *Legacy) { l.Slots[1].Serving = 99 },
		"unknown slot in a roll":   func(l *Legacy) { l.Roll.Queue = []int{7} },
		"negative slot in a roll":  func(l *Legacy) { l.Roll.Held = []int{-1} },
		"unknown phase":            func(l *Legacy) { l.Phase = "dreaming" },
	} {
		l := whole()
		damage(&l)
		if m, err := TakeOver(l); !errors.Is(err, ErrTorn) || m != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}
