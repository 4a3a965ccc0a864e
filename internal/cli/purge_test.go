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

// TestPurgeAwaitsMaster: a master that has closed its sockets may still write its log. Purging waits
// until it has given up its name.
func TestPurgeAwaitsMaster(t *testing.T) {
	emptyPlaces(t)
	name, err := control.Acquire(filepath.Join(filepath.Dir(controlSocket("web")), "web.lock"))
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(os.Getenv("RELEVO_STATE_DIR"), "web")
	writeFiles(t, state, map[string]string{"definition.json": `{"name":"web","config":"/nowhere","directory":"/"}`})
	var said string
	deleted := make(chan struct{})
	go func() {
		defer close(deleted)
		_, _, said = command(t, "delete", "web", "--purge")
	}()
	select {
	case <-deleted:
		t.Error("it did not wait")
	case <-time.After(100 * time.Millisecond):
	}
	writeFiles(t, filepath.Join(state, "log"), map[string]string{"current": "the last line\n"})
	if err := name.Unlock(); err != nil {
		t.Fatal(err)
	}
	if <-deleted; said != "" {
		t.Error(said)
	}
	if _, err := os.Lstat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files are there: %v", err)
	}
}
