package watch

import (
	"maps"
	"slices"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// An event of the kernel gives a hint for a path or does not, and may make a place need a new
// watch.
func TestPump(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		event fsnotify.Event
		err   error
		hint  bool
		stale []string
	}{
		{"written", fsnotify.Event{Name: "/a/srv", Op: fsnotify.Write}, nil, true, nil},
		{"created", fsnotify.Event{Name: "/a/srv", Op: fsnotify.Create}, nil, true, []string{"/a/srv"}},
		{"directory moved", fsnotify.Event{Name: "/a", Op: fsnotify.Rename}, nil, true, []string{"/a"}},
		{"directory removed", fsnotify.Event{Name: "/a", Op: fsnotify.Remove}, nil, true, []string{"/a"}},
		{"entry of the root", fsnotify.Event{Name: "//a", Op: fsnotify.Create}, nil, true, []string{"/a"}},
		{"neighbour", fsnotify.Event{Name: "/a/srv.log", Op: fsnotify.Create}, nil, false, nil},
		{"queue overflow", fsnotify.Event{}, fsnotify.ErrEventOverflow, true, []string{"/a", "/a/srv"}},
	} {
		h := &hints{wake: make(chan struct{}, 1), pumped: make(chan struct{}), stale: map[string]struct{}{},
			names: map[string]struct{}{"/a": {}, "/a/srv": {}}}
		events, errs := make(chan fsnotify.Event), make(chan error)
		go pump(events, errs, h.pumped, h.event, h.lost)
		if c.err != nil {
			errs <- c.err
		} else {
			events <- c.event
			events <- c.event // no reader takes the hint, and the pump does not wait for one
		}
		close(events)
		close(errs)
		<-h.pumped
		if got := len(h.wake) == 1; got != c.hint {
			t.Errorf("%s: hint %v", c.name, got)
		}
		if got := slices.Sorted(maps.Keys(h.stale)); !slices.Equal(got, c.stale) {
			t.Errorf("%s: stale %q, want %q", c.name, got, c.stale)
		}
	}
}
