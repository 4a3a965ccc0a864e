package listeners_test

import (
	"os"
	"slices"
	"testing"

	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
)

// TestBlocking: each listener blocks or not, as configured. A change by a worker is mended; a new
// configuration and a succession keep the mode.
func TestBlocking(t *testing.T) {
	h, opened := newHealer(t, "a=127.0.0.1:0,blocking", "b=127.0.0.1:0", "c=udp:127.0.0.1:0,blocking",
		"d=unix:"+testproc.SocketPath(t)+",blocking")
	want := func(when string, all []*listeners.Listener, blocking ...bool) {
		t.Helper()
		for i, l := range all {
			if nonblocking(t, l) == blocking[i] {
				t.Errorf("%s: listener %s blocks: %v", when, l.Name, !blocking[i])
			}
		}
	}
	want("at first", opened, true, false, true, true)
	if found := h.Inspect(); len(found) > 0 {
		t.Errorf("damage found in undamaged listeners: %+v", found)
	}
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[0].File()}), "unblock")
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[1].File()}), "block")
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[2].File()}), "unblock")
	found := h.Inspect()
	if len(found) != 3 || found[0].What != "made non-blocking" || found[1].What != "made blocking" ||
		found[2].What != "made non-blocking" {
		t.Errorf("found %+v", found)
	}
	want("mended", opened, true, false, true, true)

	all, files := h.Legacy()
	next, err := listeners.TakeOver(listeners.Options{}, all, copies(files))
	if err != nil {
		t.Fatal(err)
	}
	want("inherited", next.Listeners(), true, false, true, true)
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[0].File()}), "unblock")
	if found := next.Inspect(); len(found) != 1 || found[0].What != "made non-blocking" {
		t.Errorf("the next master found %+v", found)
	}
	for _, l := range next.Listeners() { // the sockets remain those of the first master
		l.File().Close()
	}

	err = h.Apply(wanted(t, "a=127.0.0.1:0", "b=127.0.0.1:0,blocking", "c=udp:127.0.0.1:0,blocking"))
	if now := h.Listeners(); err != nil || !slices.Equal(now, opened[:3]) {
		t.Fatalf("kept %s, %v", names(now), err)
	}
	want("by another configuration", opened[:3], false, true, true)
}
