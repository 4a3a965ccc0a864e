package announce

import (
	"testing"
	"time"

	"relevo/upgrader/listeners"
)

// A worker that does the same damage without end is told of once a second, after
// the first few times. None is left out of the count.
func TestHealingsAreCounted(t *testing.T) {
	var all Healings
	shut := listeners.Healed{Listener: "web", What: "shut down"}
	began := time.Unix(1e9, 0)
	told, counted := 0, 0
	for n := range 3000 { // three seconds
		if times := all.Due(shut, began.Add(time.Duration(n)*time.Millisecond)); times > 0 {
			told++
			counted += times
		}
	}
	if told < firstHealings+2 || told > firstHealings+3 || counted < 2000 {
		t.Errorf("told of %d times, which count %d", told, counted)
	}
	end := began.Add(3 * time.Second)
	if all.Due(listeners.Healed{Listener: "web", What: "made blocking"}, end) != 1 {
		t.Error("another kind of damage is not told of")
	}
	for range 2 * firstHealings {
		if all.Due(listeners.Healed{Listener: "admin", What: "shut down", Renewed: true}, end) != 1 {
			t.Error("a renewed socket is not told of")
		}
	}
}
