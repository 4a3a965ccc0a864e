package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"relevo/config"
	"relevo/control"
	"relevo/launch"
	"relevo/master"
	"relevo/pool/machine"
)

// TestManyRolls rolls a master 200 times and compares what it holds with what it
// held after the first rolls: files, goroutines, children, memory.
func TestManyRolls(t *testing.T) {
	const rolls, warmUp, workers = 200, 20, 2
	client := startMaster(t, workers)
	var before holdings
	for i := range rolls {
		result, err := client.Reload(context.Background())
		if err != nil || result.Result != machine.OK {
			t.Fatalf("roll %d: %+v, %v", i, result, err)
		}
		if i == warmUp {
			before = held(t, workers)
		}
	}
	after := held(t, workers)
	t.Logf("after %d rolls: %+v; after %d rolls: %+v", warmUp, before, rolls, after)
	if after.files > before.files || after.goroutines > before.goroutines || after.children != before.children {
		t.Errorf("the master holds more after %d rolls: %+v, before: %+v", rolls, after, before)
	}
	// The memory of a Go program breathes; a leak of one worker's buffers a roll
	// would be several times this.
	if grown := after.rss - before.rss; grown > 8<<10 {
		t.Errorf("resident memory grew by %d KiB over %d rolls", grown, rolls-warmUp)
	}
}

// startMaster runs a master inside of the test, to look at its goroutines. There
// can be one in a process.
func startMaster(t *testing.T, workers int) *control.Client {
	t.Helper()
	dir := t.TempDir()
	app := config.Default()
	app.Name, app.Workers, app.Dir, app.Canary = "rolls", workers, dir, 0
	app.Command = []string{filepath.Join(dir, "app")}
	app.WatchBinary = false
	listen, err := config.ParseListen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	app.Listen = []config.Listen{listen}
	config.NameListeners(app.Listen)
	if err := writeRelease(app.Command[0], "1", "serve"); err != nil {
		t.Fatal(err)
	}
	places := config.Places{Runtime: filepath.Join(dir, "run"), State: filepath.Join(dir, "state")}
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- master.Run(context.Background(), master.Options{
			App: app, Places: places, Log: slog.New(slog.DiscardHandler),
			Streams: launch.Streams{Out: os.Stdout, Err: os.Stderr},
			Started: func([]control.Listener) { close(started) },
		})
	}()
	select {
	case <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	client, err := control.Connect(context.Background(), places.ControlSocket(app.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Stop(context.Background(), false)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return client
}

// holdings is what a process can leak.
type holdings struct {
	files, goroutines, children int
	rss                         int // KiB
}

// held waits until the workers that leave are gone, as a roll does not.
func held(t *testing.T, workers int) (h holdings) {
	t.Helper()
	if !await(func() bool { return len(children(t)) == workers }) {
		t.Fatalf("%d children are left, not %d", len(children(t)), workers)
	}
	// Goroutines and files of the last one end a moment after it.
	for settled := time.Now().Add(time.Second); time.Now().Before(settled); time.Sleep(glance) {
		now := look(t)
		if now != h {
			h, settled = now, time.Now().Add(200*time.Millisecond)
		}
	}
	runtime.GC()
	h.rss = statusKiB(t, "VmRSS")
	return h
}

func look(t *testing.T) holdings {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatalf("cannot count open files: %v", err)
	}
	return holdings{files: len(files), goroutines: runtime.NumGoroutine(), children: len(children(t))}
}

// children returns the child processes of the test, zombies included.
func children(t *testing.T) (pids []string) {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Fatal("cannot list the children of this process: /proc/self/task/*/children is missing")
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}

func statusKiB(t *testing.T, field string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib
		}
	}
	t.Fatalf("no %s in /proc/self/status", field)
	return 0
}
