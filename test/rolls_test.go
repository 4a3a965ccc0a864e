package test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/launch"
	"relevo/internal/master"
	"relevo/pool/machine"
)

var rollsFlag = flag.Int("rolls", 120, "how many rolls TestManyRolls does")

// TestManyRolls rolls a master back and forth between two releases, and compares what it has at the
// end with what it had after the first rolls, when both releases were kept: files, goroutines,
// children, memory, state directory. -rolls 1000 makes it longer.
func TestManyRolls(t *testing.T) {
	takesLong(t) // and does not run in parallel: this process is the master, and the children of other tests would count
	const warmUp, workers = 10, 2
	rolls := max(*rollsFlag, 2*warmUp)
	client, app, state := startMaster(t, workers)
	// Made once: this process is the master, and the memory for reading them would count.
	releases := []string{filepath.Join(t.TempDir(), "app"), filepath.Join(t.TempDir(), "app")}
	for i, path := range releases {
		if err := writeRelease(path, fmt.Sprint(1+i), "serve"); err != nil {
			t.Fatal(err)
		}
	}
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(rows, "rolls\tfiles\tgoroutines\tchildren\tRSS KiB\tstate KiB\tstate files\t")
	var first, last holdings
	for i := 1; i <= rolls; i++ {
		putLink(t, releases[i%2], app) // the first roll is to 2, the master began with 1
		result, err := client.Reload(context.Background(), control.ReloadOptions{})
		if err != nil || result.Result != machine.OK {
			t.Fatalf("roll %d: %+v, %v", i, result, err)
		}
		if i == warmUp || i == rolls || i%100 == 0 {
			last = held(t, workers, state)
			if i == warmUp {
				first = last
			}
			fmt.Fprintf(rows, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", i, last.files, last.goroutines, last.children, last.rss,
				last.stateKiB, last.stateFiles)
		}
	}
	// What is about to be freed disappears; a leak stays.
	await(func() bool {
		last = held(t, workers, state)
		return last.files <= first.files && last.goroutines <= first.goroutines
	})
	rows.Flush()
	t.Logf("a master of %d workers, rolled between two releases:\n%s", workers, &table)
	if last.files > first.files || last.goroutines > first.goroutines || last.children != first.children {
		t.Errorf("the master has more after %d rolls: %+v, after %d: %+v", rolls, last, warmUp, first)
	}
	// The records of the releases may grow by a few digits.
	if last.stateFiles > first.stateFiles || last.stateKiB > first.stateKiB+4 {
		t.Errorf("the state directory grew: %+v, after %d rolls: %+v", last, warmUp, first)
	}
	// The memory of a Go program varies, more so if it is large. A leak of one worker's buffers in
	// each roll would be several times this.
	if grown := last.rss - first.rss; grown > max(8<<10, first.rss/20) {
		t.Errorf("resident memory grew by %d KiB over %d rolls", grown, rolls-warmUp)
	}
}

// putLink puts a file in the place of another one.
func putLink(t *testing.T, from, to string) {
	t.Helper()
	err := os.Link(from, to+".new")
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// startMaster runs a master inside of the test, so that its goroutines can be counted. A process can
// have only one. It also returns the path of its release and of its state.
func startMaster(t *testing.T, workers int) (client *control.Client, release, state string) {
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
	client, err = control.Connect(context.Background(), places.ControlSocket(app.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Stop(context.Background(), false)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return client, app.Command[0], places.State
}

// holdings are what a process can leak.
type holdings struct {
	files, goroutines, children int
	rss                         int // KiB
	stateKiB, stateFiles        int
}

// held waits until leaving workers are gone; a roll does not wait for them.
func held(t *testing.T, workers int, state string) (h holdings) {
	t.Helper()
	if !await(func() bool { return len(children(t)) == workers }) {
		t.Fatalf("%d children are left, not %d", len(children(t)), workers)
	}
	// Goroutines and files of the last worker end a moment later.
	for settled := time.Now().Add(time.Second); time.Now().Before(settled); time.Sleep(glance) {
		now := look(t)
		if now != h {
			h, settled = now, time.Now().Add(200*time.Millisecond)
		}
	}
	debug.FreeOSMemory()
	h.rss = statusKiB(t, "VmRSS")
	h.stateKiB, h.stateFiles = treeSize(t, state)
	return h
}

// treeSize adds up the sizes of the files below a directory. Blocks that copies share count several
// times.
func treeSize(t *testing.T, dir string) (kib, files int) {
	bytes := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		bytes += info.Size()
		files++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return int(bytes >> 10), files
}

func look(t *testing.T) holdings {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatalf("cannot count open files: %v", err)
	}
	return holdings{files: len(files), goroutines: runtime.NumGoroutine(), children: len(children(t))}
}

// children returns the child processes of the test, zombies included.
func children(t *testing.T) (pids []string) { return childrenOf(t, os.Getpid()) }

func childrenOf(t *testing.T, pid int) (pids []string) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("cannot list the children of process %d: /proc/%d/task/*/children is missing", pid, pid)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}

func statusKiB(t *testing.T, field string) int {
	kib, err := procKiB(os.Getpid(), field)
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// procKiB reads a field of a process's status, in KiB.
func procKiB(pid int, field string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), "\n"+field+":")
	if !found {
		return 0, fmt.Errorf("no %s in the status of process %d", field, pid)
	}
	return strconv.Atoi(strings.Fields(rest)[0])
}
