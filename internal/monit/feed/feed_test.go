package feed

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/logfile"
	"relevo/internal/machineview"
	"relevo/internal/monit"
	"relevo/pool"
	"relevo/pool/machine"
)

// tooLong is when a test gives up.
const tooLong = 60 * time.Second

// master answers what a Feed asks; any other call would panic.
type master struct {
	control.Master
	result     pool.RollResult
	fails      error
	events     chan pool.Event
	subscribed chan struct{}
	recent     []pool.Entry
}

func (m *master) Status() (control.Status, error) {
	s := control.Status{Name: "web", PID: os.Getpid()}
	s.State, s.Slots, s.Workers = "running", 1, []pool.Worker{{Slot: 0, ID: "1", State: "serving"}}
	return s, nil
}

func (m *master) Subscribe() (<-chan pool.Event, func(), error) {
	m.subscribed <- struct{}{}
	return m.events, func() {}, nil
}

func (m *master) Recent() ([]pool.Entry, error) { return m.recent, m.fails }

func (m *master) rolled() (control.Wait, error) {
	return func(context.Context) (pool.RollResult, error) { return m.result, nil }, m.fails
}

func (m *master) Reload(control.ReloadOptions) (control.Wait, error) { return m.rolled() }
func (m *master) Rollback(string) (control.Wait, error)              { return m.rolled() }
func (m *master) Scale(change string) (control.Scaled, error) {
	return control.Scaled{From: 2, To: map[string]int{"+1": 3, "-1": 1}[change]}, m.fails
}
func (m *master) Recycle(slot int) (control.Recycled, error) {
	return control.Recycled{Slot: slot, Worker: "7"}, m.fails
}

// serve answers on web's control socket until the returned function is called.
func (m *master) serve(t *testing.T, places config.Places) (end func()) {
	t.Helper()
	server, err := control.Listen(places.ControlSocket("web"), m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { server.Serve() })
	end = sync.OnceFunc(func() { close(m.events); server.Close(); served.Wait() })
	t.Cleanup(end)
	return end
}

func newMaster() *master {
	return &master{events: make(chan pool.Event), subscribed: make(chan struct{}, 9)}
}

func newFeed(t *testing.T) (*Feed, config.Places) {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv") // short, because the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	places := config.Places{Runtime: filepath.Join(dir, "run"), State: filepath.Join(dir, "state")}
	for _, dir := range []string{places.Runtime, places.State} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f := &Feed{
		Viewer: &machineview.Viewer{All: func(ctx context.Context) ([]apps.App, error) {
			return apps.Places{Places: places}.All(ctx)
		}},
		Connect: func(ctx context.Context, app string) (*control.Client, error) {
			return control.Connect(ctx, places.ControlSocket(app))
		},
		LogDir: places.Logs,
	}
	t.Cleanup(f.Close)
	return f, places
}

// awaitFrame looks until a frame is as wanted.
func awaitFrame(t *testing.T, f *Feed, what string, holds func(monit.Frame) bool) {
	t.Helper()
	for giveUp := time.Now().Add(tooLong); ; time.Sleep(time.Millisecond) {
		frame, err := f.Look(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		if holds(frame) {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatalf("waited in vain for %s; there is %+v", what, frame)
		}
	}
}

// says says whether a line with a text is the last one.
func says(lines []monit.Line, text string) bool {
	return len(lines) > 0 && strings.Contains(lines[len(lines)-1].Text, text)
}

// TestLook: a look has the app, its events, also those of the next master, and its log with what
// is written meanwhile, without escape sequences.
func TestLook(t *testing.T) {
	t.Parallel()
	f, places := newFeed(t)
	first := newMaster()
	end := first.serve(t, places)
	awaitFrame(t, f, "the app", func(fr monit.Frame) bool {
		return len(fr.Apps) == 1 && fr.Apps[0].Ready() == 1 && strings.HasPrefix(fr.LogNote, "no log files") &&
			fr.EventsNote == "nothing has happened yet"
	})
	<-first.subscribed
	first.events <- pool.Event{Kind: pool.KindFork, ID: "8"} // of no interest
	slot := 0
	first.events <- pool.Event{Kind: pool.KindReady, ID: "8", Slot: &slot}
	awaitFrame(t, f, "an event", func(fr monit.Frame) bool {
		return len(fr.Events) == 1 && fr.Events[0].Text == "worker ready · worker 8" && fr.Events[0].Slot == 0
	})
	end()
	awaitFrame(t, f, "the end of the master", func(fr monit.Frame) bool {
		return len(fr.Apps) == 0 && fr.EventsNote == "no master answers"
	})
	next := newMaster()
	next.serve(t, places)
	awaitFrame(t, f, "the next master", func(monit.Frame) bool { return len(next.subscribed) == 1 })
	code := 1
	next.events <- pool.Event{Kind: pool.KindExit, ID: "9", Code: &code}
	awaitFrame(t, f, "its event", func(fr monit.Frame) bool {
		return len(fr.Events) == 2 && says(fr.Events, "worker died") && fr.Events[1].Bad && fr.Events[1].Slot == -1
	})

	w := logfile.New(logfile.Options{Dir: places.Logs("web")})
	defer w.Close()
	out := w.Stream(logfile.Source{Slot: 3, Generation: 1, PID: 77, Stream: logfile.Err}, nil, false)
	for _, text := range []string{"one", "\x1b[2Jtwo"} {
		if _, err := out.Write([]byte(text + "\n")); err != nil {
			t.Fatal(err)
		}
		awaitFrame(t, f, text, func(fr monit.Frame) bool { return says(fr.Log, strings.TrimPrefix(text, "\x1b[2J")) })
	}
	frame, err := f.Look(t.Context(), "web")
	if want := []string{"one", "two"}; err != nil || len(frame.Log) != 2 || frame.Log[0].Text != want[0] ||
		frame.Log[1].Text != want[1] || !frame.Log[0].Bad || frame.Log[0].Slot != 3 {
		t.Errorf("the log is %+v, %v", frame.Log, err)
	}
	if frame, err := f.Look(t.Context(), ""); err != nil || frame.Log != nil || frame.App != "" {
		t.Errorf("without an app: %+v, %v", frame, err)
	}
}

// TestRecall: the events begin with what the master remembers, and what it has sent again is not
// shown twice. The next master tells what happened before it was asked.
func TestRecall(t *testing.T) {
	t.Parallel()
	f, places := newFeed(t)
	m := newMaster()
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	m.recent = []pool.Entry{{Event: pool.Event{Time: at, Kind: pool.KindReady, ID: "1"}, Last: at.Add(time.Minute)}}
	end := m.serve(t, places)
	awaitFrame(t, f, "what is remembered", func(fr monit.Frame) bool { return says(fr.Events, "worker 1") })
	m.events <- pool.Event{Time: at.Add(time.Minute), Kind: pool.KindReady, ID: "2"}
	m.events <- pool.Event{Time: at.Add(time.Hour), Kind: pool.KindReady, ID: "3"}
	awaitFrame(t, f, "what happens", func(fr monit.Frame) bool {
		return says(fr.Events, "worker 3") && len(fr.Events) == 2
	})
	end()
	next := newMaster()
	took := pool.Event{Time: at.Add(2 * time.Hour), Kind: pool.KindSuccession, Count: 4}
	next.recent = append(m.recent, pool.Entry{Event: took})
	next.serve(t, places)
	awaitFrame(t, f, "the succession", func(fr monit.Frame) bool {
		return says(fr.Events, "4 workers") && len(fr.Events) == 3
	})
}

// TestDo: what is said of each request, and that a refusal is an error.
func TestDo(t *testing.T) {
	t.Parallel()
	f, places := newFeed(t)
	m := newMaster()
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	m.result = pool.RollResult{Generation: 3, From: 2, Result: machine.OK, Replaced: 2, Started: began,
		Ended: began.Add(1200 * time.Millisecond)}
	m.serve(t, places)
	actions := []monit.Action{monit.Roll, monit.Rollback, monit.More, monit.Fewer, monit.Replace}
	var said []string
	for _, action := range actions {
		text, err := f.Do(t.Context(), monit.Request{Action: action, App: "web", Slot: 1})
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, text)
	}
	if want := []string{"web: generation 3 serves, 2 workers replaced in 1.2s",
		"web: generation 3 serves, 2 workers replaced in 1.2s", "web: from 2 to 3 workers", "web: from 2 to 1 worker",
		"web: a new worker replaces worker 7 in slot 1"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	m.result = pool.RollResult{Generation: 4, From: 3, Result: machine.RolledBack, Reason: "exit status 1"}
	if _, err := f.Do(t.Context(), monit.Request{Action: monit.Roll, App: "web"}); err == nil ||
		!strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("a roll that fails: %v", err)
	}
	m.fails = errors.New("cannot do that: the pool is stopping")
	for _, action := range actions {
		if _, err := f.Do(t.Context(), monit.Request{Action: action, App: "web"}); err == nil {
			t.Errorf("action %d that is refused is no error", action)
		}
	}
	if _, err := f.Do(t.Context(), monit.Request{App: "none"}); control.ExitCode(err) != control.ExitNotRunning {
		t.Errorf("without a master: %v", err)
	}
}

// TestSparing: things are counted again only after a while.
func TestSparing(t *testing.T) {
	t.Parallel()
	counted := 0
	count := Sparing(func(map[int][]int) map[int]int { counted++; return map[int]int{1: counted} })
	for count(nil)[1] < 2 {
		time.Sleep(time.Millisecond)
	}
}
