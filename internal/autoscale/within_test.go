package autoscale_test

import (
	"testing"

	"relevo/internal/autoscale"
)

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ wanted, workers, room, want int }{
		{6, 3, 8, 6}, {6, 3, 2, 5}, {6, 3, 0, 3}, {6, 3, -4, 3}, {2, 3, 0, 2}, {3, 3, 0, 3},
	} {
		d := autoscale.Decision{Workers: test.wanted, Reason: "load"}.Within(test.workers, test.room)
		if d.Workers != test.want || (d.Reason == "") != (test.want == test.workers && test.wanted > test.workers) {
			t.Errorf("from %d to %d with room for %d: %+v", test.workers, test.wanted, test.room, d)
		}
	}
}
