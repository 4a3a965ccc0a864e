package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"relevo/internal/control"
	"relevo/pool"
)

// standIn plays the master in this process: it answers from its fields, and records requests.
type standIn struct {
	status   control.Status
	plan     control.Plan
	releases control.Releases
	result   pool.RollResult
	recent   []pool.Entry
	forgets  error // the answer of Recent, if not nil
	refuses  error // the answer to every request, if not nil
	onStop   func()

	mu     sync.Mutex
	asked  []string
	events chan pool.Event // what a subscriber receives
}

// serve makes a stand-in reachable under a name, in a directory that becomes RELEVO_RUNTIME_DIR.
func (s *standIn) serve(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("RELEVO_RUNTIME_DIR")
	server, err := control.Listen(filepath.Join(dir, name+".sock"), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { server.Serve() })
	var once sync.Once
	end := func() { once.Do(func() { server.Close(); served.Wait() }) }
	t.Cleanup(end)
	ended := make(chan struct{})
	t.Cleanup(func() { <-ended })
	stopped := make(chan struct{})
	var stop sync.Once
	s.onStop = func() { stop.Do(func() { close(stopped) }) }
	go func() {
		defer close(ended)
		<-stopped
		end()
	}()
	t.Cleanup(s.onStop)
}

// emptyPlaces gives a test its own runtime and state directories and an empty working directory,
// and clears the variables that name masters.
func emptyPlaces(t *testing.T) (work string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv") // short, because the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{"run", "state", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "RELEVO_") {
			t.Setenv(name, "") // makes the test restore it
			os.Unsetenv(name)
		}
	}
	t.Setenv("RELEVO_RUNTIME_DIR", filepath.Join(dir, "run"))
	t.Setenv("RELEVO_STATE_DIR", filepath.Join(dir, "state"))
	work = filepath.Join(dir, "work")
	t.Chdir(work)
	return work
}

// command runs a command and returns the output on each stream.
func command(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var files [2]*os.File
	for i := range files {
		file, err := os.CreateTemp(t.TempDir(), "out")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files[i] = file
	}
	code = Main(args, strings.NewReader(""), files[0], files[1])
	var texts [2]string
	for i, file := range files {
		text, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return code, texts[0], texts[1]
}

// writeFiles writes files below a directory.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// rolled is the result of a roll that ends at once.
func (s *standIn) rolled(context.Context) (pool.RollResult, error) { return s.result, nil }

func (s *standIn) ask(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
	return s.refuses
}

// wasAsked returns the requests since its last call.
func (s *standIn) wasAsked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := strings.Join(s.asked, "; ")
	s.asked = nil
	return asked
}

func (s *standIn) Status() (control.Status, error) { return s.status, nil }

func (s *standIn) Reload(o control.ReloadOptions) (control.Wait, error) {
	text, _ := json.Marshal(o)
	return s.rolled, s.ask("reload %s", text)
}

func (s *standIn) Rollback(to string) (control.Wait, error) {
	return s.rolled, s.ask("rollback %q", to)
}

func (s *standIn) Abort() (control.Wait, error)        { return s.rolled, s.ask("abort") }
func (s *standIn) Await(int) (control.Wait, error)     { return s.rolled, nil }
func (s *standIn) Plan() (control.Plan, error)         { return s.plan, s.ask("plan") }
func (s *standIn) Releases() (control.Releases, error) { return s.releases, s.ask("releases") }
func (s *standIn) Prune() (control.Pruned, error) {
	return control.Pruned{Copies: 2, Bytes: 3 << 20}, s.ask("prune")
}
func (s *standIn) Promote() (pool.Canary, error) {
	return pool.Canary{Slot: 1, ID: "7"}, s.ask("promote")
}
func (s *standIn) Upgrade() (control.Upgraded, error) {
	return control.Upgraded{PID: 9, From: 9}, s.ask("upgrade")
}
func (s *standIn) HandOver(string) (control.Upgraded, error) {
	return control.Upgraded{PID: 9, From: 8}, s.ask("hand over")
}
func (s *standIn) Scale(n string) (control.Scaled, error) {
	return control.Scaled{From: 2, To: 3}, s.ask("scale %s", n)
}

func (s *standIn) Recycle(slot int) (control.Recycled, error) {
	return control.Recycled{Slot: slot, Worker: "3"}, s.ask("recycle %d", slot)
}

func (s *standIn) Stop(force bool) error {
	err := s.ask("stop force=%t", force)
	if err == nil {
		s.onStop()
	}
	return err
}

// Subscribe returns the test's stream, or one that has ended already.
func (s *standIn) Subscribe() (<-chan pool.Event, func(), error) {
	events := s.events
	if events == nil {
		events = make(chan pool.Event)
		close(events)
	}
	return events, func() {}, nil
}

func (s *standIn) Send(to pool.Target, data []byte) ([]string, error) {
	return []string{"3", "4"}, s.ask("send %s to %s", data, target(to))
}

func (s *standIn) Recent() ([]pool.Entry, error) { return s.recent, s.forgets }

func (s *standIn) Signal(to pool.Target, sig syscall.Signal) ([]string, error) {
	return []string{"3"}, s.ask("signal %d to %s", sig, target(to))
}

func target(to pool.Target) string {
	switch {
	case to.Slot != nil:
		return fmt.Sprint("slot ", *to.Slot)
	case to.ID != "":
		return "worker " + to.ID
	}
	return "all"
}

// controlSocket is the path of a stand-in's control socket.
func controlSocket(name string) string {
	return filepath.Join(os.Getenv("RELEVO_RUNTIME_DIR"), name+".sock")
}
