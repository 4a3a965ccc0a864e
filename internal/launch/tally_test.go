package launch

import "testing"

func TestTally(t *testing.T) {
	var none tally
	if c := none.result(); c != nil {
		t.Errorf("a worker that was not led out: %v", c)
	}
	var led tally
	led.look(map[uint64]bool{1: false, 2: true, 3: true, 4: false})
	led.rescue([]uint64{3, 99})
	led.look(map[uint64]bool{2: true, 4: false, 5: true, 6: true, 7: true})
	led.handOver([]uint64{6, 7})
	led.keep([]uint64{7})
	led.look(map[uint64]bool{2: true, 4: false, 5: true})
	want := "2 finished, 1 handed over, 1 rescued, 3 cut: 2 idle at the end, 1 in use"
	if got := led.result().String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var next tally
	next.restore(led.legacy())
	led = tally{}
	led.restore(next.legacy())
	led.look(map[uint64]bool{2: true})
	want = "4 finished, 1 handed over, 1 rescued, 1 cut: 1 idle at the end"
	if got := led.result().String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
