// Package examples holds one small program for each way to be a worker. They
// are tested as what they are: processes on a shared listener, replaced under
// load.
package examples

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"relevo/internal/ipc"
	"relevo/internal/testreq"
	"relevo/internal/workertest"
)

// requests of each load, over at least this many replacements. Requests are lost when a worker ends, if at all.
const (
	requests     = 500
	replacements = 6
)

// programs are the compiled examples: one go build makes them all, when the first test wants one.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

func buildPrograms() {
	p := &programs
	if p.dir, p.err = os.MkdirTemp("", "relevo-examples-"); p.err != nil {
		return
	}
	out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", p.dir, "./go-sdk", "./go-activation").CombinedOutput()
	if err != nil {
		p.err = fmt.Errorf("go build: %w\n%s", err, out)
	}
}

// build returns the path of a compiled example.
func build(t *testing.T, name string) string {
	t.Helper()
	programs.once.Do(buildPrograms)
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return filepath.Join(programs.dir, name)
}

func TestExamplesRollWithoutLoss(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]func(*testing.T) workertest.Spec{
		"go-sdk": func(t *testing.T) workertest.Spec {
			return workertest.Spec{Command: []string{build(t, "go-sdk")}}
		},
		"go-activation": func(t *testing.T) workertest.Spec {
			return workertest.Spec{Command: []string{build(t, "go-activation")}, Observed: true}
		},
		"node": func(t *testing.T) workertest.Spec {
			return workertest.Spec{Command: []string{testreq.Program(t, "node"), "node/server.mjs"}, Node: true}
		},
		"python": func(t *testing.T) workertest.Spec {
			return workertest.Spec{Command: []string{testreq.Program(t, "python3"), "python/server.py"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rollUnderLoad(t, spec(t))
		})
	}
}

// rollUnderLoad replaces two workers in turn, under a load of clients that use a connection once and one of
// clients that keep it.
func rollUnderLoad(t *testing.T, s workertest.Spec) {
	m := workertest.NewMaster(t)
	pool := []*workertest.Worker{m.Start(s).WaitReady(), m.Start(s).WaitReady()}
	load := workertest.Load{Addr: m.Addr, Clients: 4, Pause: 4 * time.Millisecond}
	fresh := load.Start()
	load.Keep = true
	kept := load.Start()
	rolls := 0
	for began := time.Now(); rolls < replacements || min(fresh.Count(), kept.Count()) < requests; rolls++ {
		s.Generation = rolls + 2
		old := pool[0]
		pool = append(pool[1:], m.Start(s).WaitReady())
		old.Signal(syscall.SIGTERM)
		if err := old.Wait(); err != nil {
			t.Fatalf("worker ended with %v after %v\n%s", err, time.Since(began), old.Output())
		}
	}
	for how, r := range map[string]workertest.Result{"fresh": fresh.Stop(), "kept": kept.Stop()} {
		t.Logf("%s connections, %d replacements: %v", how, rolls, r)
		if r.LostSum() > 0 || len(r.Pages) < replacements/2 {
			t.Errorf("%s connections, %d replacements: %v", how, rolls, r)
		}
		for page := range r.Pages {
			if !strings.HasPrefix(page, "worker 0 generation ") {
				t.Errorf("got %q", page)
			}
		}
	}
}

// The pages of go-sdk beside "/", and its drain by message.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(workertest.Spec{Command: []string{build(t, "go-sdk")}}).WaitReady()
	get := func(path string) *http.Response {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + m.Addr + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	page := func(path string) string {
		b, err := io.ReadAll(get(path).Body)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if got, want := page("/"), fmt.Sprintf("worker 0 generation 1 pid %d\n", w.PID); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := page("/slow?d=10ms"); got != "slept 10ms\n" {
		t.Errorf("got %q", got)
	}
	events := get("/events")
	first := make([]byte, len("data: 0\n\n"))
	if _, err := io.ReadFull(events.Body, first); err != nil || string(first) != "data: 0\n\n" {
		t.Errorf("got %q, %v", first, err)
	}
	w.Send(ipc.Drain{DeadlineMS: 60_000})
	if _, err := io.ReadAll(events.Body); err != nil {
		t.Error("the event stream was cut:", err)
	}
	if err := w.Wait(); err != nil {
		t.Error(err, w.Output())
	}
}

// Short enough to be read at a glance, and each says how to start it.
func TestExamplesAreShort(t *testing.T) {
	for _, name := range []string{"go-sdk/main.go", "go-activation/main.go", "node/server.mjs", "python/server.py"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n > 40 {
			t.Errorf("%s has %d lines", name, n)
		}
		if first, _, _ := bytes.Cut(b, []byte("\n")); !bytes.Contains(first, []byte("Usage: ")) {
			t.Errorf("%s does not begin with its usage: %s", name, first)
		}
	}
}

func TestMain(m *testing.M) {
	testreq.QuickStarts()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if programs.dir != "" {
			os.RemoveAll(programs.dir)
		}
		os.Exit(code)
	}))
}
