package announce

import (
	"slices"
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
)

// A worker that does damage and dies is a suspect, also where its end is in the
// pool's books and not noted here yet.
func TestSuspects(t *testing.T) {
	now := time.Unix(1e9, 0)
	old := pool.Worker{ID: "1", State: string(machine.Serving), Started: now.Add(-time.Hour)}
	var d Damages
	d.Forked("1")
	d.Forked("2")
	both := []pool.Worker{old, {ID: "2", State: old.State, Started: old.Started}}
	for _, c := range []struct {
		what    string
		workers []pool.Worker
		at      time.Time
		want    []string
	}{
		{"nobody came or went", both, now, nil},
		{"its end is not noted", both[:1], now, []string{"2"}},
		{"its end was a moment ago", both[:1], now.Add(goneFor), []string{"2"}},
		{"its end was long ago", both[:1], now.Add(goneFor + 1), nil},
	} {
		if got := d.Suspects(c.workers, c.at); !slices.Equal(got, c.want) {
			t.Errorf("%s: suspects %v, want %v", c.what, got, c.want)
		}
	}
}
