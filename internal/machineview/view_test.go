package machineview

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/pool"
)

// machine is what a Viewer finds in a test.
type machine struct {
	all         []apps.App
	connections map[int]int
	err         error
}

func (m *machine) viewer() *Viewer {
	return &Viewer{
		All:         func(context.Context) ([]apps.App, error) { return m.all, m.err },
		Connections: func(map[int][]int) map[int]int { return m.connections },
	}
}

// web is an app with a worker that has used so much, and so many clients turned away.
func web(cpu time.Duration, dropped int) apps.App {
	waiting := 3
	status := &control.Status{Name: "web", Listeners: []control.Listener{
		{Queue: &control.Queue{Waiting: &waiting, Dropped: &dropped}}, {Queue: &control.Queue{Waiting: &waiting}}, {}}}
	status.Workers = []pool.Worker{
		{Slot: 0, ID: "1", PID: 10, State: "serving", Started: time.Now().Add(-100 * time.Second)},
		{Slot: 1, State: "backoff"},
	}
	use := apps.Usage{Memory: 1 << 20, CPU: cpu}
	return apps.App{Name: "web", State: "running", Status: status, Usage: use, Workers: map[int]apps.Usage{10: use}}
}

func look(t *testing.T, v *Viewer) View {
	t.Helper()
	view, err := v.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// TestLook: the first look tells CPU since the start of the workers, the next ones since the
// look before; what is not known is nil.
func TestLook(t *testing.T) {
	m := &machine{all: []apps.App{web(50*time.Second, 5), {Name: "off", State: apps.Stopped}},
		connections: map[int]int{10: 7}}
	v := m.viewer()
	first := look(t, v)
	a, off := first.Find("web"), first.Find("off")
	if a.CPU == nil || *a.CPU < 45 || *a.CPU > 50 || *a.Workers[0].CPU < 45 || *a.Workers[0].CPU > 50 {
		t.Errorf("at first: CPU %v, of the worker %v; want 50", a.CPU, a.Workers[0].CPU)
	}
	if *a.Connections != 7 || *a.Workers[0].Connections != 7 || a.Workers[0].Memory != 1<<20 {
		t.Errorf("connections %v, worker %+v", a.Connections, a.Workers[0])
	}
	if w := a.Workers[1]; w.CPU != nil || w.Connections != nil || w.Memory != 0 {
		t.Errorf("of a slot without a worker: %+v", w)
	}
	if off.CPU != nil || off.Connections != nil || len(off.Workers) != 0 || first.Find("none") != nil {
		t.Errorf("of an app that is not running: %+v", off)
	}

	m.all[0], m.connections = web(50*time.Second, 9), nil
	second := look(t, v).Find("web")
	if *second.CPU != 0 || *second.Workers[0].CPU != 0 || second.Connections != nil {
		t.Errorf("without a change: CPU %v, of the worker %v, connections %v", *second.CPU, *second.Workers[0].CPU,
			second.Connections)
	}
	h := second.History
	got := fmt.Sprint(len(h.CPU), h.Memory, h.Connections, h.Queue, h.Drops)
	if want := "2 [1.048576e+06 1.048576e+06] [7 -1] [6 6] [-1 4]"; got != want {
		t.Errorf("history %s, want %s", got, want)
	}
	m.err = errors.New("no directory")
	if _, err := v.Look(t.Context()); err != m.err {
		t.Errorf("%v, want %v", err, m.err)
	}
}

// TestHistoryIsBounded: it holds the last looks, and an earlier View keeps its own; that of an
// app that is gone is forgotten.
func TestHistoryIsBounded(t *testing.T) {
	m := &machine{all: []apps.App{web(time.Second, 0)}}
	v := m.viewer()
	var views []View
	for i := range Remembered + 50 {
		m.connections = map[int]int{10: i}
		views = append(views, look(t, v))
	}
	for i, view := range views {
		last := view.Apps[0].History.Connections
		if len(last) != min(i+1, Remembered) || last[len(last)-1] != float64(i) {
			t.Fatalf("look %d: %d values, the last %v", i, len(last), last[len(last)-1])
		}
	}
	m.all = nil
	look(t, v)
	if len(v.histories) != 0 {
		t.Errorf("%d histories are left", len(v.histories))
	}
}
