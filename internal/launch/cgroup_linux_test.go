package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
	"relevo/internal/testreq"
	"relevo/pool"
)

// ownCgroups makes a cgroup for a test below the root of cgroup v2.
func ownCgroups(t *testing.T) Cgroups {
	t.Helper()
	testreq.Root(t)
	root := procfs.Self.CgroupDirectory("")
	if root == "" {
		testreq.Missing(t, "no cgroup v2 is mounted")
	}
	dir, err := os.MkdirTemp(root, "launch-test-")
	if err != nil {
		testreq.Missing(t, "cannot make a cgroup: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Rmdir(dir); err != nil {
			t.Errorf("a cgroup still exists: %v", err)
		}
	})
	return Cgroups{Dir: dir, Prefix: "relevo-app-"}
}

// TestWholeFamily: no process of a worker's family outlives it, whatever groups and sessions they
// have made, and however the worker ends.
func TestWholeFamily(t *testing.T) {
	for name, end := range map[string]func(w *worker){
		"exit":      func(w *worker) { w.Terminate() },
		"kill":      func(w *worker) { w.Kill() },
		"its child": func(w *worker) { w.Signal(unix.SIGUSR1) },
	} {
		t.Run(name, func(t *testing.T) {
			cgroups := ownCgroups(t)
			r := newRigOf(t, Options{Cgroups: cgroups})
			w := r.start(shell("trap 'exit 0' USR1; setsid sh -c 'echo $$; setsid sleep 600 & wait' & setsid sh -c 'echo $$; " +
				"exec sleep 600' & while :; do wait; done"))
			await(t, "the family", func() bool { return strings.Count(r.out.String(), "\n") == 2 })
			cgroup := filepath.Join(cgroups.Dir, "relevo-app-7")
			procs, err := os.ReadFile(cgroup + "/cgroup.procs")
			if family := strings.Fields(string(procs)); err != nil || len(family) < 3 {
				t.Fatalf("the cgroup has %q, %v", family, err)
			}
			end(w)
			w.exit()
			for field := range strings.FieldsSeq(r.out.String()) {
				if pid, _ := strconv.Atoi(field); !dead(pid) {
					t.Errorf("process %d lives", pid)
				}
			}
			if _, err := os.Stat(cgroup); err == nil {
				t.Error("the cgroup still exists")
			}
		})
	}
}

// TestCgroupLeftovers: the cgroups of a dead master are removed, unless a process lives in them or
// they belong to another app.
func TestCgroupLeftovers(t *testing.T) {
	cgroups := ownCgroups(t)
	r := newRigOf(t, Options{Cgroups: cgroups})
	w := r.start(shell("exec sleep 600"))
	expect[pool.Online](w)
	names := []string{"relevo-app-3", "relevo-app-b-3", "relevo-other-3"}
	for _, name := range names {
		if err := os.Mkdir(filepath.Join(cgroups.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		defer unix.Rmdir(filepath.Join(cgroups.Dir, name))
	}
	newRigOf(t, Options{Cgroups: cgroups})
	var left []string
	entries, _ := filepath.Glob(cgroups.Dir + "/relevo-*")
	for _, entry := range entries {
		left = append(left, filepath.Base(entry))
	}
	if got, want := fmt.Sprint(left), "[relevo-app-7 relevo-app-b-3 relevo-other-3]"; got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
	w.end()
}

// TestDelegated: a cgroup is used only if it was delegated.
func TestDelegated(t *testing.T) {
	dir := ownCgroups(t).Dir
	if procfs.Self.Cgroup("") == "/" {
		root := filepath.Dir(dir)
		if _, err := os.Stat(root + "/cgroup.events"); err != nil && delegated(root) {
			t.Error("the real root counts as delegated")
		}
	} else if delegated(dir) {
		t.Error("a cgroup without the mark counts as delegated")
	}
	if err := unix.Setxattr(dir, "trusted.delegate", []byte("1"), 0); err != nil {
		testreq.Missing(t, err.Error())
	}
	if !delegated(dir) {
		t.Error("a cgroup with the mark does not count as delegated")
	}
}
