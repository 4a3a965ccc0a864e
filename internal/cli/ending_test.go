package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
)

// rememberedWeb gives a test its own places, in which web is remembered and does not run. It returns
// web's state directory.
func rememberedWeb(t *testing.T) (state string) {
	t.Helper()
	emptyPlaces(t)
	state = filepath.Join(os.Getenv("RELEVO_STATE_DIR"), "web")
	writeFiles(t, state, map[string]string{"definition.json": `{"name":"web","config":"/nowhere","directory":"/"}`})
	return state
}

// endsLate runs a command while a master that has closed its sockets still has its name, and gives
// the name up when the command waits for that. Such a master may still write its log.
func endsLate(t *testing.T, writes func(), args ...string) {
	t.Helper()
	name, err := control.Acquire(filepath.Join(filepath.Dir(controlSocket("web")), "web.lock"))
	if err != nil {
		t.Fatal(err)
	}
	var code int
	var said string
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, _, said = command(t, args...)
	}()
	select {
	case <-done:
		t.Errorf("%v does not wait", args)
	case <-time.After(100 * time.Millisecond):
	}
	writes()
	if err := name.Unlock(); err != nil {
		t.Fatal(err)
	}
	if <-done; code != 0 || said != "" {
		t.Errorf("%v: exit code %d: %s", args, code, said)
	}
}

// TestPurgeAwaitsMaster: nothing of an app is left after its files are removed.
func TestPurgeAwaitsMaster(t *testing.T) {
	state := rememberedWeb(t)
	endsLate(t, func() {
		writeFiles(t, filepath.Join(state, "log"), map[string]string{"current": "the last line\n"})
	}, "delete", "web", "--purge")
	if _, err := os.Lstat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files are there: %v", err)
	}
}

// TestPurgeOfWhatStarts: an app that begins keeps its files, and is still known.
func TestPurgeOfWhatStarts(t *testing.T) {
	state := rememberedWeb(t)
	dir := filepath.Dir(controlSocket("web"))
	for name, lock := range map[string]string{"its master begins": "web.lock", "relevo start begins": "web.starting"} {
		held, err := control.Acquire(filepath.Join(dir, lock))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that it does not wait
		c := &cli{places: config.Places{Runtime: dir, State: filepath.Dir(state)}, getenv: func(string) string { return "" }}
		err = c.purge(ctx, "web")
		if control.ExitCode(err) != control.ExitBusy || !strings.Contains(err.Error(), "cannot remove the files of web: ") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(state, "definition.json")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("locks are left: %v, %v", left, err)
	}
}

// TestPurgeWithoutPlaceForLocks: where no master can run, the files are removed.
func TestPurgeWithoutPlaceForLocks(t *testing.T) {
	state := rememberedWeb(t)
	t.Setenv("RELEVO_RUNTIME_DIR", filepath.Join(os.Getenv("RELEVO_RUNTIME_DIR"), "nowhere"))
	if code, _, said := command(t, "delete", "web", "--purge"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	if _, err := os.Lstat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files are there: %v", err)
	}
}

// TestStopAwaitsMaster: after a stop the log is complete.
func TestStopAwaitsMaster(t *testing.T) {
	emptyPlaces(t)
	new(standIn).serve(t, "web")
	endsLate(t, func() {}, "stop", "web")
}
