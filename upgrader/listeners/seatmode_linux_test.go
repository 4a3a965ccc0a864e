package listeners_test

import (
	"testing"

	"relevo/upgrader/listeners"
	"relevo/upgrader/listeners/seats"
)

// TestLentSocketBlocks: a program whose accept blocks has the listener's own socket as its seat. If
// the master made that non-blocking again, the program would end with EAGAIN.
func TestLentSocketBlocks(t *testing.T) {
	all := wanted(t, "127.0.0.1:0")
	for _, test := range []struct {
		name     string
		captured bool
	}{{"captured", true}, {"of the configuration", false}} {
		t.Run(test.name, func(t *testing.T) {
			set := listeners.New(listeners.Options{Siblings: true})
			t.Cleanup(func() { set.Close() })
			var l *listeners.Listener
			var err error
			if test.captured {
				l, err = set.Add(all[0], listeners.Program{Worker: "1", NonBlocking: true})
			} else if err = set.Apply(all); err == nil {
				l = set.Listeners()[0]
			}
			if err != nil {
				t.Fatal(err)
			}
			seat, err := set.Seat(l, "1", 0, seats.SocketOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if seat != l.File() || nonblocking(t, l) {
				t.Fatal("the worker has another socket, or one that does not block: this test proves nothing")
			}
			inherited := l.Listen
			inherited.Backlog = 77
			if err := set.Apply(all[:0]); err != nil { // as at the begin and the end of a roll
				t.Fatal(err)
			}
			if err := set.Apply(append(all[:0:0], inherited)); err != nil {
				t.Fatal(err)
			}
			if found := set.Inspect(); len(found) > 0 || nonblocking(t, l) {
				t.Errorf("the worker's socket no longer blocks; healed: %+v", found)
			}
		})
	}
}
