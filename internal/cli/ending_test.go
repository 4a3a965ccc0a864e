package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relevo/internal/control"
)

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
	emptyPlaces(t)
	state := filepath.Join(os.Getenv("RELEVO_STATE_DIR"), "web")
	writeFiles(t, state, map[string]string{"definition.json": `{"name":"web","config":"/nowhere","directory":"/"}`})
	endsLate(t, func() {
		writeFiles(t, filepath.Join(state, "log"), map[string]string{"current": "the last line\n"})
	}, "delete", "web", "--purge")
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
