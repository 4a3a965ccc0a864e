package monit

import (
	"context"

	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/internal/machineview"
	"relevo/pool"
	"relevo/pool/machine"
)

// noon is when all frames of the scenes are seen.
var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func ptr[T any](v T) *T { return &v }

// fixed is a Source that shows one frame, and remembers requests.
type fixed struct {
	frame  Frame
	asked  []Request
	answer string
	fails  error
}

func (f *fixed) Look(_ context.Context, app string) (Frame, error) {
	frame := f.frame
	frame.App = app
	return frame, f.fails
}

func (f *fixed) Do(_ context.Context, r Request) (string, error) {
	f.asked = append(f.asked, r)
	return f.answer, f.fails
}

// worker is one that serves.
func worker(slot, generation int, id string) machineview.Worker {
	return machineview.Worker{
		Worker: pool.Worker{Slot: slot, ID: id, PID: 1000 + slot, Generation: generation, State: string(machine.Serving),
			Started: ago(3*time.Hour + 12*time.Minute)},
		CPU: ptr(12.3), Memory: 48 << 20, Connections: ptr(17),
	}
}

// app is one that runs, with its workers.
func app(name string, workers ...machineview.Worker) machineview.App {
	a := machineview.App{App: apps.App{Name: name, State: "running"}, Workers: workers}
	s := &control.Status{Name: name, PID: 4711, Version: "v1", Started: ago(3*time.Hour + 12*time.Minute),
		Listeners: []control.Listener{{Name: "http", Address: "127.0.0.1:8080",
			Queue: &control.Queue{Waiting: ptr(3), Limit: ptr(4096), Dropped: ptr(2)}}}}
	s.Generation, s.State = 4, "running"
	s.Release = &pool.Info{SHA256: "ab12cd34ef56ab12", Version: "v1.4.3"}
	slots := map[int]bool{}
	for _, w := range workers {
		slots[w.Slot] = true
		s.Workers = append(s.Workers, w.Worker)
		if w.Memory > 0 {
			a.Usage.Memory += w.Memory
		}
	}
	s.Slots = len(slots)
	a.Status, a.CPU, a.Connections = s, ptr(49.2), ptr(68)
	for i := range 60 {
		a.History.CPU = append(a.History.CPU, float64(i%20)*3)
		a.History.Memory = append(a.History.Memory, float64(100+i)*(1<<20))
		a.History.Connections = append(a.History.Connections, float64(i%7)*10)
		a.History.Queue = append(a.History.Queue, float64(i%3))
		a.History.Drops = append(a.History.Drops, float64(i/59*2))
	}
	return a
}

func running() Frame {
	web := app("web", worker(0, 4, "9"), worker(1, 4, "10"), worker(2, 4, "11"), worker(3, 4, "12"))
	web.Workers[2].Text = "7 jobs"
	jobs := machineview.App{App: apps.App{Name: "jobs", State: apps.Stopped, Definition: &apps.Definition{}}}
	api := machineview.App{App: apps.App{Name: "api", State: apps.Silent}}
	f := Frame{View: machineview.View{At: noon, Apps: []machineview.App{api, jobs, web}}}
	for i := range 40 {
		f.Log = append(f.Log, Line{Time: ago(time.Duration(40-i) * time.Second), Slot: i % 4, Bad: i%9 == 0,
			Text: fmt.Sprintf("GET /cart/%d 200 in %dms", i, 3+i%5)})
	}
	f.Events = []Line{{Time: ago(time.Minute), Slot: 2, Text: "worker ready · worker 11 · gen 4"},
		{Time: ago(30 * time.Second), Slot: -1, Text: "resized from 3 to 4 workers"}}
	return f
}

// rolling is a roll with a canary on probation.
func rolling() Frame {
	f := running()
	canary := worker(0, 5, "13")
	canary.Started = ago(22 * time.Second)
	web := app("web", worker(0, 4, "9"), canary, worker(1, 4, "10"), worker(2, 4, "11"))
	web.State = "rolling"
	web.Status.State, web.Status.Rolling = "rolling", &pool.Info{SHA256: "ff00ff00ff00ff00", Version: "v1.5.0"}
	web.Status.Canary = &pool.Canary{Slot: 0, ID: "13", Until: noon.Add(38 * time.Second), Share: "5%"}
	f.Apps[2] = web
	return f
}

// draining is a roll that replaces: a worker leaves, one starts, one is killed, and a slot waits.
func draining() Frame {
	f := rolling()
	web := f.Apps[2]
	web.Status.Canary = nil
	leaves := worker(0, 4, "9")
	leaves.State, leaves.Open, leaves.Until = "draining", 3, noon.Add(25*time.Second)
	stops := worker(2, 4, "11")
	stops.State, stops.Until = "stopping", noon.Add(5*time.Second)
	starts := machineview.Worker{Worker: pool.Worker{Slot: 1, ID: "14", Generation: 5, State: "starting", Started: noon}}
	waits := machineview.Worker{Worker: pool.Worker{Slot: 3, Generation: 4, State: "backoff",
		Retry: noon.Add(1600 * time.Millisecond), LastExit: &pool.ExitStatus{Code: 1}}}
	web.Workers = []machineview.Worker{leaves, worker(0, 5, "13"), worker(1, 4, "10"), starts, stops, waits}
	f.Apps[2] = web
	return f
}

// failed is after a roll that failed, with a warning.
func failed() Frame {
	f := running()
	f.Apps[2].Status.LastRoll = &pool.RollResult{Generation: 5, From: 4, Result: machine.RolledBack,
		Reason: "worker 13 in slot 0: exit status 1", Hint: "the database must be reachable", Started: ago(90 * time.Second),
		Ended: ago(80 * time.Second), Tail: []string{"one", "two", "three", "connecting to 10.0.0.1:5432",
			"panic: no database"}}
	f.Apps[2].Status.Warnings = []string{"the path of the command holds a release that is known to be bad"}
	return f
}

func many() Frame {
	f := Frame{View: machineview.View{At: noon}}
	for i := range 300 {
		f.Apps = append(f.Apps, app(fmt.Sprintf("app%03d", i), worker(0, 1, "1")))
	}
	return f
}

// older is what masters without queues, counts and times tell.
func older() Frame {
	w := machineview.Worker{Worker: pool.Worker{Slot: 0, ID: "1", PID: 7, Generation: 1, State: "serving"}}
	a := machineview.App{App: apps.App{Name: "web", State: "running",
		Status: &control.Status{Listeners: []control.Listener{{Address: "127.0.0.1:1"}}}}, Workers: []machineview.Worker{w}}
	a.Status.Generation, a.Status.Slots = 1, 1
	for range 3 {
		a.History.CPU, a.History.Memory = append(a.History.CPU, -1), append(a.History.Memory, 0)
		a.History.Connections, a.History.Queue = append(a.History.Connections, -1), append(a.History.Queue, -1)
		a.History.Drops = append(a.History.Drops, -1)
	}
	return Frame{View: machineview.View{At: noon, Apps: []machineview.App{a}}}
}

// at is a Model of a size that has seen a frame, after keys.
func at(width, height int, s *fixed, app string, keys ...string) Model {
	m := New(context.Background(), s, app)
	m.zone = time.UTC
	m = send(m, tea.WindowSizeMsg{Width: width, Height: height})
	m = settled(m, m.look())
	for _, key := range keys {
		m = press(m, key)
	}
	return m
}

func send(m Model, msg tea.Msg) Model {
	next, cmd := m.Update(msg)
	return settled(next.(Model), cmd)
}

// settled carries out a command and what follows it, but waits for no clock.
func settled(m Model, cmd tea.Cmd) Model {
	for cmd != nil && (m.looking || m.asking || m.again) {
		next, following := m.Update(cmd())
		m, cmd = next.(Model), following
	}
	return m
}

func press(m Model, key string) Model { return send(m, keyOf(key)) }

func keyOf(key string) tea.KeyPressMsg {
	codes := map[string]tea.Key{"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "tab": {Code: tea.KeyTab},
		"esc": {Code: tea.KeyEscape}, "enter": {Code: tea.KeyEnter}, "end": {Code: tea.KeyEnd}, "home": {Code: tea.KeyHome},
		"backspace": {Code: tea.KeyBackspace}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "pgdown": {Code: tea.KeyPgDown}}
	if k, ok := codes[key]; ok {
		return tea.KeyPressMsg(k)
	}
	return tea.KeyPressMsg(tea.Key{Text: key, Code: []rune(key)[0]})
}
