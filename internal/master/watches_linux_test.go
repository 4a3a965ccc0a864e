package master

import (
	"testing"

	"relevo/pool/machine"
)

// TestSeenTwice: two looks of the watch may find the same change, if no roll has begun between
// them. Then there is one roll for it. A roll that a user requests begins all the same.
func TestSeenTwice(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.works(t, "one")
	l.run(t)
	defer l.stop(t)
	rolled := func(change bool, want int) {
		t.Helper()
		wait, err := l.rollAgain(change, false)
		if r := roll(t, wait, err); r.Result != machine.OK {
			t.Fatalf("%+v", r)
		}
		status, err := l.Status()
		if err != nil || status.Generation != want {
			t.Errorf("generation %d serves, want %d (%v)", status.Generation, want, err)
		}
	}
	rolled(true, 1)
	l.works(t, "two")
	rolled(true, 2)
	rolled(true, 2)
	rolled(false, 3)
}
