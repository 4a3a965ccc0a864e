package tally

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"relevo/pool/machine"
)

// TestTally: what is counted comes back from a document, and a copy shares nothing.
func TestTally(t *testing.T) {
	began := time.Unix(1000, 0).UTC()
	var all Tally
	all.Started(machine.CauseFirst)
	all.Started(machine.CauseRoll)
	all.Started(machine.CauseRoll)
	all.Died(Crash)
	all.Heal("127.0.0.1:80")
	all.Supersede()
	all.Rolled(machine.OK, began, began.Add(2*time.Second))
	all.Rolled(machine.RolledBack, began, began.Add(time.Hour))
	all.Adopted = 3

	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var back Tally
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, all) {
		t.Errorf("got %+v from %s, want %+v", back, text, all)
	}
	if all.Starts[machine.CauseRoll] != 2 || all.Rolls["ok"] != 1 || all.Rolls["rolled-back"] != 1 ||
		all.Rolls[Superseded] != 1 || !all.LastGoodRoll.Equal(began.Add(2*time.Second)) {
		t.Errorf("counted %+v", all)
	}
	copied := all.Clone()
	all.Started(machine.CauseFirst)
	all.Rolled(machine.OK, began, began)
	if !reflect.DeepEqual(copied, back) {
		t.Errorf("the copy changed: %+v, want %+v", copied, back)
	}
}

// TestTimes: a duration is counted in the class whose bound it does not exceed.
func TestTimes(t *testing.T) {
	var times Times
	for _, d := range []time.Duration{0, 10 * time.Millisecond, 11 * time.Millisecond, time.Second, 2 * time.Hour} {
		times.Add(d)
	}
	want := make([]int, len(Bounds())+1)
	want[0], want[1], want[6], want[len(want)-1] = 2, 1, 1, 1
	if !reflect.DeepEqual(times.Counts, want) || times.Sum != 7201.021 {
		t.Errorf("counted %v, sum %v, want %v, sum 7201.021", times.Counts, times.Sum, want)
	}
}
