package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestMonitIsSmall: with 50 workers and on a large terminal, relevo monit, built as for a release,
// uses at most 20 MB of memory. Most of that are pages of its file, which all processes of relevo
// share; so there is also a limit for its own memory.
func TestMonitIsSmall(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSite(t, "-n", "50", "--watch-binary=false")
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(s.dir, "small"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.settled(50)
	p := newPane(s)
	p.run("resize-window", "-x", "120", "-y", "40")
	p.types("exec ./small monit site", "Enter")
	p.shows(`50/50(?s:.*)serving`)
	pid, err := strconv.Atoi(strings.TrimSpace(p.run("display-message", "-p", "#{pane_pid}")))
	if err != nil {
		t.Fatal(err)
	}
	var all, own int
	if !await(func() bool { // it soon frees what its start has used
		var errAll, errOwn error
		all, errAll = procKiB(pid, "VmRSS")
		own, errOwn = procKiB(pid, "RssAnon")
		return errAll == nil && errOwn == nil && all <= 20_000_000/1024 && own <= 7_500_000/1024
	}) {
		mappings, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
		t.Errorf("%d KiB are resident, of these %d KiB its own\n%s\n%s", all, own, p.screen(), mappings)
	}
}
