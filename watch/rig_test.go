package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"relevo/internal/testbuffer"
)

// The bytes of executables.
const (
	v1 = "#!/bin/sh\necho one\n"
	v2 = "#!/bin/sh\necho two\n"
	v3 = "#!/bin/sh\necho three, which is longer\n"
)

// rig is a File that runs, and everything it says.
type rig struct {
	t    *testing.T
	dir  string
	path string
	w    *File
	log  *testbuffer.Buffer

	changes chan arrival
	checks  chan outcome
	hold    chan chan struct{} // the watch sends to the channel put here after a look, and waits for its end
}

type arrival struct {
	Change
	at time.Time
}

type outcome struct {
	check
	at time.Time
}

// watchPath runs a File on dir/path until the test ends.
func watchPath(t *testing.T, dir, path string, o Options) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, path: filepath.Join(dir, path), log: &testbuffer.Buffer{},
		changes: make(chan arrival, 1000), checks: make(chan outcome, 10000), hold: make(chan chan struct{}, 1)}
	o.Path = r.path
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.checked = func(c check) {
		r.checks <- outcome{c, time.Now()}
		select {
		case gate := <-r.hold:
			gate <- struct{}{}
			<-gate
		default:
		}
	}
	r.w = w
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case c := <-w.Changes():
				r.changes <- arrival{c, time.Now()}
			case <-ended:
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended; <-collected })
	r.until("the first look", func(outcome) bool { return true })
	return r
}

// until waits for a look at the file of which ok is true.
func (r *rig) until(what string, ok func(outcome) bool) {
	r.t.Helper()
	late := time.After(tooLong)
	for {
		select {
		case c := <-r.checks:
			if ok(c) {
				return
			}
		case <-late:
			r.t.Fatalf("did not come: %s\nlog:\n%s", what, r.log)
		}
	}
}

// want waits for a Change to exactly these bytes.
func (r *rig) want(content string) arrival {
	r.t.Helper()
	select {
	case c := <-r.changes:
		if c.SHA256 != hashOf(content) {
			r.t.Fatalf("a Change to other bytes (%d) came, want %.20q (%d)", c.Size, content, len(content))
		}
		if c.Size != int64(len(content)) || c.Path != r.path || c.File == "" || c.ModTime.IsZero() {
			r.t.Errorf("Change is %+v", c.Change)
		}
		return c
	case <-time.After(tooLong):
		r.t.Fatalf("no Change\nlog:\n%s", r.log)
		return arrival{}
	}
}

// none makes the watch look once more, at the bytes it last reported, and
// fails if it has reported any others.
func (r *rig) none(base string) {
	r.t.Helper()
	nudged := time.Now()
	r.w.SetActive(hashOf(base))
	r.until("the watch at rest after the nudge", func(c outcome) bool {
		return c.again == 0 && c.at.Sub(nudged) >= r.w.opts.Quiet
	})
	select {
	case c := <-r.changes:
		r.t.Fatalf("a Change that is none came: %+v", c.Change)
	default:
	}
}

// betweenLooks runs f while the watch stands still.
func (r *rig) betweenLooks(f func()) {
	r.t.Helper()
	gate := make(chan struct{}, 1)
	r.hold <- gate
	defer close(gate)
	r.w.SetActive(hashOf(contentOf(r.t, r.path)))
	select {
	case <-gate:
	case <-time.After(tooLong):
		r.t.Fatal("the watch does not look")
	}
	f()
}

// sh runs a script in the rig's directory.
func (r *rig) sh(script string) { sh(r.t, r.dir, script) }

func sh(t *testing.T, dir, script string) {
	t.Helper()
	if err := runScript(dir, script); err != nil {
		t.Fatal(err)
	}
}

func runScript(dir, script string) error {
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return nil
}

// put makes an executable file.
func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func hashOf(content string) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shOut is sh for what a command prints.
func shOut(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
