package launch

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/procfs"
)

// startFamily starts a process with a child. Both are in a process group of their own, and end with the
// test.
func startFamily(t *testing.T) (pid int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "sleep 600 & echo; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	said.Read(make([]byte, 1))
	return cmd.Process.Pid
}

// TestTakeAtHome: workers that are already in this process's cgroup are not moved, not even in the
// root cgroup of a container.
func TestTakeAtHome(t *testing.T) {
	t.Parallel()
	c := Cgroups{Attach: func(string, []int) error { return errors.New("nothing is to be moved") }}
	if _, err := c.take(nil, "7", startFamily(t)); err != nil {
		t.Errorf("%v (the cgroup is %q)", err, procfs.Self.Cgroup(""))
	}
}

// TestTakeToOwn: a worker that has no cgroup gets one, with its descendants.
func TestTakeToOwn(t *testing.T) {
	c := ownCgroups(t)
	c.Attach = func(string, []int) error { return errors.New("the cgroup may be written to") }
	pid := startFamily(t)
	own, err := c.take(nil, "7", pid)
	if err != nil {
		t.Fatal(err)
	}
	procs, err := os.ReadFile(own.dir + "/cgroup.procs")
	members := strings.Fields(string(procs))
	if err != nil || len(members) != 2 || members[0] != strconv.Itoa(pid) && members[1] != strconv.Itoa(pid) {
		t.Errorf("the cgroup has %q, %v; want %d and its child", members, err, pid)
	}
	if again, err := c.take(own, "7", pid); again != own || err != nil {
		t.Errorf("at the second call: %v, %v", again, err)
	}
	if err := own.end(); err != nil {
		t.Error(err)
	}
}
