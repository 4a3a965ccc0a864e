package procfs

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestFamily: of a real process, its child and grandchild.
func TestFamily(t *testing.T) {
	cmd := exec.Command("sh", "-c", `sh -c 'echo $$; sleep 600 & echo $!; wait' & wait`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer func() { // the youngest first: each waits for its child
		for _, pid := range slices.Backward(Tree(cmd.Process.Pid)) {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
	}()
	family := []int{cmd.Process.Pid}
	for lines := bufio.NewScanner(out); len(family) < 3 && lines.Scan(); {
		pid, _ := strconv.Atoi(lines.Text())
		family = append(family, pid)
	}
	if got := Tree(family[0]); !slices.Equal(got, family) {
		t.Errorf("the family is %v, want %v", got, family)
	}
	if got := Tree(os.Getpid()); len(got) < 4 || got[0] != os.Getpid() || !slices.Contains(got, family[2]) {
		t.Errorf("the test's own family is %v, without %v", got, family)
	}
	children, err := Of(family[1]).Children()
	if err != nil || !slices.Equal(children, family[2:]) {
		t.Errorf("the children are %v, %v; want %v", children, err, family[2:])
	}
	parents := Parents()
	if parents[family[2]] != family[1] || parents[family[1]] != family[0] || parents[family[0]] != os.Getpid() {
		t.Errorf("the parents of %v are wrong", family)
	}
	if _, err := Of(1 << 30).Children(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a process that is not there: %v", err)
	}
}

// TestOwn: what every process can read of itself.
func TestOwn(t *testing.T) {
	stat, err := Self.Stat()
	if err != nil || stat.Parent() != os.Getppid() || stat.Resident() == 0 || stat.Stopped() {
		t.Errorf("%+v, %v", stat, err)
	}
	if pid, err := Self.Status("Pid"); err != nil || pid != strconv.Itoa(os.Getpid()) {
		t.Errorf("it is %q, %v", pid, err)
	}
	if _, err := Self.Status("Nothing"); err == nil || !strings.Contains(err.Error(), "Nothing") {
		t.Errorf("a field that is not there: %v", err)
	}
	if len(Self.Threads()) == 0 || Self.Name() == "" || Of(1<<30).Name() != "" {
		t.Errorf("%d threads, named %q", len(Self.Threads()), Self.Name())
	}
	if mounts, err := Self.Mounts(); err != nil || !slices.ContainsFunc(mounts, func(m Mount) bool {
		return m.Point == "/"
	}) {
		t.Errorf("nothing is mounted on /: %v, %v", mounts, err)
	}
}

// TestTable: a family in it is that of Tree, and a process that has ended is not there.
func TestTable(t *testing.T) {
	child := exec.Command("sh", "-c", "sleep 1000 & echo up; wait")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { syscall.Kill(-child.Process.Pid, syscall.SIGKILL); child.Wait() }
	t.Cleanup(end)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	table, pid := NewTable(), child.Process.Pid
	if family := table.Tree(pid); len(family) != 2 || !slices.Equal(family, Tree(pid)) {
		t.Errorf("the family is %v, by its own files %v", family, Tree(pid))
	}
	if stat, ok := table.Figures(pid); !ok || stat.Parent != os.Getpid() || stat.Threads != 1 {
		t.Errorf("of the child: %v, %t", stat, ok)
	}
	end()
	if _, ok := NewTable().Figures(pid); ok {
		t.Error("a process that has ended is there")
	}
}
