package master

import (
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/launch"
	"relevo/internal/whole"
	"relevo/pool"
)

func wholeParts() parts {
	return parts{
		lock: &control.Lock{}, listeners: &generations.Sockets{}, boot: &boot{}, launcher: &launch.Launcher{},
		begun: time.Now(), generations: generations.New(generations.Options{}),
	}
}

// TestWhole: if a cold start or a take-over forgets any of the parts, the master does not begin. A
// part that may be empty has a reason for that.
func TestWhole(t *testing.T) {
	m := newMaster(Options{Log: slog.New(slog.DiscardHandler)})
	go m.loop.run()
	defer m.loop.end()
	m.parts = wholeParts()
	const nothing = "internal error: the master was made without its keys, current, wanted, first sockets, pool"
	if err := m.whole(); err == nil || err.Error() != nothing {
		t.Errorf("without a pool: %v", err)
	}
	m.stage.use(pool.Ended())
	served := beginner(t)
	m.generations, m.boot = served.generations, served.boot
	if err := m.whole(); err != nil {
		t.Errorf("with all parts: %v", err)
	}
	of := reflect.TypeFor[parts]()
	for i := range of.NumField() {
		field := of.Field(i)
		reason, mayBeEmpty := field.Tag.Lookup("empty")
		if mayBeEmpty {
			if reason == "" {
				t.Errorf("%s may be empty, but gives no reason", field.Name)
			}
			continue
		}
		if reflect.ValueOf(wholeParts()).Field(i).IsZero() {
			t.Errorf("%s: this test does not know the part", field.Name)
		}
		if missing := whole.Missing(new(parts)); !slices.Contains(missing, field.Name) {
			t.Errorf("%s is forgotten, and that is not reported: %v", field.Name, missing)
		}
	}
}

// TestStartOver: if a legacy cannot be taken over, only what this master had before remains: the
// lock of the name, and since when the app runs.
func TestStartOver(t *testing.T) {
	p := wholeParts()
	p.adopted, p.successions = []string{"1"}, 3
	b := &boot{}
	got := p.startOver(b)
	want := parts{lock: p.lock, boot: b, begun: p.begun, successions: 3}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
