package worker

import (
	"net"
	"net/http"
	"testing"
)

// BenchmarkCostPerRequest is all that this package adds to a request while not
// draining: two state changes, one read, one look at draining.
func BenchmarkCostPerRequest(b *testing.B) {
	_, other := net.Pipe()
	defer other.Close()
	set := newConns()
	nc := set.track(other)
	c := set.find(nc)
	for b.Loop() {
		set.note(nc, http.StateActive)
		set.note(nc, http.StateIdle)
		c.feed()
		if set.draining.Load() {
			b.Fatal("draining")
		}
	}
}
