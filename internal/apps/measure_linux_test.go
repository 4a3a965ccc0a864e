package apps

import (
	"bufio"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"relevo/internal/control"
	"relevo/pool"
)

// TestMeasureNested: an app whose master is a descendant of another app's worker has its own processes, and
// the other app does not have them.
func TestMeasureNested(t *testing.T) {
	outer := exec.Command("sh", "-c", `sh -c 'echo $$; sleep 600 & echo $!; wait' & wait`)
	outer.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := outer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := outer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-outer.Process.Pid, syscall.SIGKILL); outer.Wait() })
	var pids []int
	for lines := bufio.NewScanner(out); len(pids) < 2 && lines.Scan(); {
		pid, _ := strconv.Atoi(lines.Text())
		pids = append(pids, pid)
	}
	app := func(name string, worker int) App {
		status := &control.Status{}
		status.Workers = []pool.Worker{{PID: worker}}
		return App{Name: name, Status: status}
	}
	for _, all := range [][]App{{app("a", outer.Process.Pid), app("b", pids[0])}, {app("a", outer.Process.Pid)}} {
		new(Measurer).Measure(all)
		want := [][]int{{outer.Process.Pid}, pids}
		if len(all) == 1 {
			want = [][]int{append(want[0], pids...)}
		}
		for i, a := range all {
			used := a.Workers[a.Status.Workers[0].PID]
			if !slices.Equal(used.Processes, want[i]) || used.Memory == 0 || a.Usage.Memory != used.Memory {
				t.Errorf("%s of %d apps has %+v, want the processes %v", a.Name, len(all), used, want[i])
			}
		}
	}
}
