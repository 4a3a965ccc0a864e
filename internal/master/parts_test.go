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

// TestWhole: whichever of the parts is forgotten, by a cold start or by a take-over, the
// master does not begin. A part that may be empty gives its reason.
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
		t.Errorf("with all of them: %v", err)
	}
	of := reflect.TypeFor[parts]()
	for i := range of.NumField() {
		field := of.Field(i)
		reason, mayBeEmpty := field.Tag.Lookup("empty")
		if mayBeEmpty {
			if reason == "" {
				t.Errorf("%s may be empty, for no reason", field.Name)
			}
			continue
		}
		if reflect.ValueOf(wholeParts()).Field(i).IsZero() {
			t.Errorf("%s: the test does not know it", field.Name)
		}
		if missing := whole.Missing(new(parts)); !slices.Contains(missing, field.Name) {
			t.Errorf("%s is forgotten, and nobody says so: %v", field.Name, missing)
		}
	}
}

// TestAnew: of a legacy that cannot be gone on with nothing stays but what this master had
// before it, the lock of the name and since when the app runs.
func TestAnew(t *testing.T) {
	p := wholeParts()
	p.adopted, p.successions = []string{"1"}, 3
	b := &boot{}
	got := p.startOver(b)
	want := parts{lock: p.lock, boot: b, begun: p.begun, successions: 3}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
