package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"relevo/internal/testreq"
	"relevo/pool"
	"relevo/pool/machine"
)

// TestOutOfMemoryRollsBack: the kernel kills the workers of a new release again and again for lack
// of memory. relevo says so, and rolls back.
func TestOutOfMemoryRollsBack(t *testing.T) {
	takesLong(t)
	t.Parallel()
	cgroup := memoryCgroup(t)
	s := emptySite(t)
	relevo := s.enter(cgroup)
	// The bystander keeps the kernel from killing the master. Right after a death the new worker is
	// smaller than the master, and the memory of the dead worker may not be free yet. Then the
	// kernel kills the bystander.
	bystanders(t, cgroup, 8)
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "2", "--oom-score-adj", "1000", "--canary", "0",
		"--watch-binary=false", "--", "./app")
	s.program = relevo
	s.settled(2)
	events := s.record()
	s.release("2", "eat-much") // 400 MiB
	limitMemory(t, cgroup, 250<<20)
	s.relevo("reload", "site") // its result depends on how soon the workers die
	// The kernel may also kill a worker of the old release while both releases need memory. Its slot
	// goes back when the new worker dies in it the next time.
	s.await("the old release to serve alone", func() bool {
		now := s.status()
		back := now.LastRoll != nil && (now.LastRoll.Result == machine.RolledBack || now.LastRoll.Result == machine.Failed)
		return back && now.State == "running" && !slices.ContainsFunc(now.Workers, func(w pool.Worker) bool {
			return w.Generation != 1
		})
	})
	s.settled(2)
	const named = "killed by the kernel: out of memory"
	for _, e := range events.of(pool.KindExit) {
		if e.Planned != nil && !*e.Planned && (e.Reason != named || e.Signal != "SIGKILL" || e.Hint == "") {
			t.Errorf("a death is reported as %+v", e)
		}
	}
	if reason := s.status().LastRoll.Reason; !strings.Contains(reason, named) {
		t.Errorf("the rollback is reported as %q", reason)
	}
	s.wantLog(t, named)
}

// bystanders starts processes in the cgroup that the kernel kills before a master.
func bystanders(t *testing.T, cgroup string, n int) {
	t.Helper()
	for range n {
		cmd := exec.Command("sleep", "3600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		pid := strconv.Itoa(cmd.Process.Pid)
		for path, value := range map[string]string{"/proc/" + pid + "/oom_score_adj": "1000", cgroup + "/cgroup.procs": pid} {
			if err := os.WriteFile(path, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWorkersGoBeforeTheirMaster: when memory runs out, the kernel kills a worker before the
// master, also after an upgrade.
func TestWorkersGoBeforeTheirMaster(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "1")
	s.settled(1)
	master := s.master.Process.Pid
	before := oomScoreAdj(t, s.inSlot(0).PID)
	if own := oomScoreAdj(t, master); own >= before {
		t.Errorf("the master has an oom_score_adj of %d, its worker of %d", own, before)
	}
	master = s.upgrade()
	if code, said := s.relevo("reload", "--force", "site"); code != 0 {
		t.Fatalf("reload exits %d: %s", code, said)
	}
	worker := oomScoreAdj(t, s.inSlot(0).PID)
	if own := oomScoreAdj(t, master); own >= worker || worker != before {
		t.Errorf("after an upgrade the master has an oom_score_adj of %d, its worker of %d, before %d", own, worker,
			before)
	}
}

func oomScoreAdj(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	value, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// memoryCgroup makes a cgroup, v1 or v2, in which the kernel counts memory.
func memoryCgroup(t *testing.T) string {
	t.Helper()
	testreq.Root(t)
	for _, root := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup"} {
		dir, err := os.MkdirTemp(root, "relevo-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { await(func() bool { return os.Remove(dir) == nil }) })
		if _, _, err := memoryFiles(dir); err == nil {
			return dir
		}
	}
	testreq.Missing(t, "no cgroup that counts memory can be made")
	return ""
}

// memoryFiles returns the cgroup's files with the memory in use and its limit.
func memoryFiles(dir string) (used, limit string, err error) {
	used, limit = dir+"/memory.current", dir+"/memory.max"
	if _, err = os.Stat(limit); err != nil {
		used, limit = dir+"/memory.usage_in_bytes", dir+"/memory.limit_in_bytes"
		_, err = os.Stat(limit)
	}
	return used, limit, err
}

// limitMemory lets the cgroup use this much more than now, and no swap.
func limitMemory(t *testing.T, dir string, more int) {
	t.Helper()
	used, limit, err := memoryFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(used)
	if err != nil {
		t.Fatal(err)
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(limit, []byte(strconv.Itoa(now+more)), 0); err != nil {
		t.Fatal(err)
	}
	for file, most := range map[string]int{"memory.swap.max": 0, "memory.memsw.limit_in_bytes": now + more} {
		_ = os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(most)), 0) // exists only with swap
	}
}
