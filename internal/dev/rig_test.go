package dev

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

// rig is a loop over a directory, with a master and a browser that only record calls.
type rig struct {
	t    *testing.T
	src  string
	loop *Dev
	keys chan byte
	*standIn
}

// standIn plays the loop's master, browser and terminal. One list has all their calls, in order.
type standIn struct {
	mu      sync.Mutex
	told    []string
	more    chan struct{} // closed and replaced with each line
	result  pool.RollResult
	refuses error // result of a reload or rollback
	status  control.Status
	events  chan pool.Event
}

// newRig makes a loop over files. It does not run yet.
func newRig(t *testing.T, d config.Dev, files map[string]string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, src: filepath.Join(dir, "src"), keys: make(chan byte),
		standIn: &standIn{more: make(chan struct{}), events: make(chan pool.Event),
			result: pool.RollResult{Result: machine.OK, Generation: 2}}}
	if err := os.MkdirAll(filepath.Join(dir, "place"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, r.src, files)
	d.Debounce = 5 * time.Millisecond
	var err error
	r.loop, err = New(t.Context(), Options{
		Dir: r.src, Dev: d, Place: filepath.Join(dir, "place"), Name: "app", Log: slog.New(slog.DiscardHandler),
		Browser: page{r.standIn}, Say: func(n Note) { r.tell("say", n.Text) }, Open: func(url string) { r.tell("open", url) },
		ClearScreen: func() { r.tell("clear screen", "") },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.loop.UseKeys(r.keys)
	return r
}

// run starts the loop, and a master that starts when there is something to start; both end with the
// test.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.loop.Run(ctx) })
	r.t.Cleanup(func() { cancel(); running.Wait() })
	r.loop.Attach(r)
	running.Go(func() {
		if r.loop.Await(ctx, nil) == nil {
			r.loop.Serving()
		}
	})
}

// save writes files under temporary names and renames them, as editors do.
func (r *rig) save(name, text string) {
	r.t.Helper()
	write(r.t, filepath.Dir(r.src), map[string]string{"saved": text})
	if err := os.Rename(filepath.Join(filepath.Dir(r.src), "saved"), filepath.Join(r.src, name)); err != nil {
		r.t.Fatal(err)
	}
}

func (s *standIn) tell(what, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, strings.TrimSpace(what+" "+text))
	close(s.more)
	s.more = make(chan struct{})
}

// hears waits for a line with this beginning and returns it. Earlier lines are dropped.
func (r *rig) hears(want string) string {
	r.t.Helper()
	late := time.After(tooLong)
	for seen := 0; ; {
		r.mu.Lock()
		for ; seen < len(r.told); seen++ {
			if line := r.told[seen]; strings.HasPrefix(line, want) {
				r.told = r.told[seen+1:]
				r.mu.Unlock()
				return line
			}
		}
		more, told := r.more, strings.Join(r.told, "\n")
		r.mu.Unlock()
		select {
		case <-more:
		case <-late:
			r.t.Fatalf("nobody hears %q but\n%s", want, told)
		}
	}
}

func (s *standIn) Status() (control.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, nil
}

func (s *standIn) Reload(o control.ReloadOptions) (control.Wait, error) {
	s.tell("reload", map[bool]string{true: "force"}[o.Force])
	return s.roll()
}

func (s *standIn) Rollback(to string) (control.Wait, error) {
	s.tell("rollback", to)
	return s.roll()
}

func (s *standIn) roll() (control.Wait, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := s.result
	return func(context.Context) (pool.RollResult, error) { return result, nil }, s.refuses
}

// ends sets the result of the next rolls.
func (s *standIn) ends(result pool.RollResult, refuses error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result, s.refuses = result, refuses
}

func (s *standIn) Subscribe() (<-chan pool.Event, func(), error) { return s.events, func() {}, nil }
func (s *standIn) Stop(bool) error                               { s.tell("stop", ""); return nil }
func (s *standIn) Warn(kind, text string)                        { s.tell("warn "+kind, text) }
func (s *standIn) Dropped() (int, bool)                          { return 3, true }

// page is the browser.
type page struct{ *standIn }

func (p page) Reload(paths []string) { p.tell("page reload", strings.Join(paths, " ")) }
func (p page) Fail(f Failure)        { p.tell("page fail", f.Title) }
func (p page) Clear()                { p.tell("page clear", "") }
