package prove

import (
	"testing"
	"time"
)

func TestLedger(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	mine, theirs := peer{inode: 1}, peer{inode: 2}
	known := entry{stopped: at(10), killed: at(20), held: map[peer]struct{}{mine: {}, {}: {}}}
	guess := entry{stopped: at(10), killed: at(20)}
	pending := entry{stopped: at(10)}
	for _, test := range []struct {
		name          string
		e             entry
		p             peer
		dialed, broke int
		want          bool
	}{
		{"held", known, mine, 0, 21, true},
		{"held, noticed late", known, mine, 0, 90_000, true},
		{"another worker's", known, theirs, 0, 21, false},
		{"broke before", known, mine, 0, 9, false},
		{"same port, later", known, mine, 21, 22, false},
		{"unknown end", known, peer{}, 0, 21, false},
		{"guess", guess, theirs, 0, 21, true},
		{"guess, too late", guess, theirs, 0, 1020, false},
		{"guess, opened later", guess, theirs, 21, 22, false},
		{"guess, before", guess, theirs, 0, 9, false},
		{"pending", pending, theirs, 15, 16, true},
	} {
		if got := test.e.explains(test.p, at(test.dialed), at(test.broke)); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestLedgerForgets(t *testing.T) {
	l := ledger{keep: time.Minute}
	l.open(&entry{killed: time.Now().Add(-2 * time.Minute)})
	young, pending := &entry{killed: time.Now()}, &entry{}
	l.open(young)
	l.open(pending)
	if len(l.entries) != 2 {
		t.Errorf("%d entries, want 2", len(l.entries))
	}
	l.drop(pending)
	if len(l.entries) != 1 || l.entries[0] != young {
		t.Errorf("entries after drop: %v", l.entries)
	}
}

func TestAfter(t *testing.T) {
	workers := []Worker{{ID: "c", Slot: 2, State: Serving}, {ID: "a", Slot: 0, State: Serving},
		{ID: "b", Slot: 1, State: "starting"}}
	for slot, want := range map[int]string{-1: "a", 0: "c", 1: "c", 2: "a", 7: "a"} {
		if w, ok := after(workers, slot); !ok || w.ID != want {
			t.Errorf("after slot %d: %q, want %q", slot, w.ID, want)
		}
	}
	if _, ok := after(workers[2:], 0); ok {
		t.Error("found a serving worker where there is none")
	}
}
