package launch

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/procfs"
	"relevo/pool"
)

// TestOutOfMemory: a death by SIGKILL was for lack of memory if the kernel's counter has grown.
func TestOutOfMemory(t *testing.T) {
	for _, test := range []struct {
		name  string
		kills uint64 // counted while the worker lives
		want  pool.ExitStatus
		hint  string
	}{
		{"not counted", 0, pool.ExitStatus{Signal: syscall.SIGKILL}, hintFor(pool.ExitStatus{Signal: syscall.SIGKILL},
			false)},
		{"counted", 1, pool.ExitStatus{Signal: syscall.SIGKILL, OutOfMemory: true}, oomHint("the cgroup /x")},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			var kills atomic.Uint64
			kills.Store(7)
			r.oom = oomWatch{read: func() oomCount { return oomCount{"the cgroup /x", kills.Load()} }}
			w := r.start(shell("echo up; exec sleep 600"))
			await(t, "the worker", func() bool { return r.out.String() == "up\n" })
			kills.Add(test.kills)
			syscall.Kill(w.PID(), syscall.SIGKILL)
			if got := w.exit(); got.Status != test.want || got.Hint != test.hint {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestOutOfMemoryJudged: which deaths the counted kills explain.
func TestOutOfMemoryJudged(t *testing.T) {
	killed, exit137 := pool.ExitStatus{Signal: syscall.SIGKILL}, pool.ExitStatus{Code: 137}
	own := func(kills string) *cgroup {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte("oom 9\noom_kill "+kills+"\n"),
			0o644); err != nil {
			t.Fatal(err)
		}
		return cgroupAt(dir)
	}
	for _, test := range []struct {
		name   string
		kills  uint64 // counted since the last look
		status pool.ExitStatus
		own    *cgroup
		asked  bool
		oom    []bool // for one death after the other
	}{
		{"nothing counted", 0, killed, nil, false, []bool{false}},
		{"one kill, one death", 1, killed, nil, false, []bool{true, false}},
		{"two workers that die together", 2, killed, nil, false, []bool{true, true, false}},
		{"killed by this master", 1, killed, nil, true, []bool{false}},
		{"another signal", 1, pool.ExitStatus{Signal: syscall.SIGSEGV}, nil, false, []bool{false}},
		{"a child of a shell", 1, exit137, nil, false, []bool{true, false}},
		{"another exit", 1, pool.ExitStatus{Code: 1}, nil, false, []bool{false}},
		{"no process", 1, pool.ExitStatus{Error: "cannot start"}, nil, false, []bool{false}},
		{"its own cgroup says so", 1, killed, own("1"), false, []bool{true}},
		{"its own cgroup says no", 1, killed, own("0"), false, []bool{false}},
	} {
		var kills uint64 = 3
		o := oomWatch{read: func() oomCount { return oomCount{"here", kills} }}
		o.look()
		kills += test.kills
		for i, want := range test.oom {
			if judged, _ := o.judge(test.status, test.own, test.asked); judged.OutOfMemory != want {
				t.Errorf("%s: death %d is judged as %v", test.name, i, judged)
			}
		}
	}
}

// TestOutOfMemoryForgets: a kill that ended no worker (but a child, or another process) does not
// explain a much later death. The counter of another cgroup does not, either.
func TestOutOfMemoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := oomCount{"here", 1}
		o := oomWatch{read: func() oomCount { return count }}
		o.look()
		count.kills = 2
		o.look()
		time.Sleep(oomMemory + time.Second)
		if _, found := o.killed(); found {
			t.Error("an old kill explains a new death")
		}
		count = oomCount{"there", 50}
		if _, found := o.killed(); found {
			t.Error("the count of another place explains a death")
		}
	})
}

// TestOOMKillsBy: the counters of cgroup v2, of v1, and of the machine.
func TestOOMKillsBy(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	vmstat := write("vmstat", "pgfault 7\noom_kill 99\n")
	write("two/a/memory.events", "low 0\noom 4\noom_kill 3\n")
	write("one/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
	mounts := "30 24 0:26 / " + dir + "/two rw - cgroup2 cgroup2 rw\n31 24 0:27 / " + dir +
		"/one rw - cgroup cgroup rw,memory\n"
	for cgroups, want := range map[string]oomCount{
		"0::/a\n":                {"the cgroup " + dir + "/two/a", 3},
		"4:memory:/b\n0::/c\n":   {"the cgroup " + dir + "/one/b", 5},
		"4:cpu,cpuacct:/b\n":     {machineWide, 99},
		"4:memory:/gone\n0::/\n": {machineWide, 99},
	} {
		write("self/mountinfo", mounts)
		write("self/cgroup", cgroups)
		if got := oomKillsBy(procfs.Process(filepath.Join(dir, "self")), vmstat); got.kills != want.kills ||
			want.place != machineWide && got.place != want.place {
			t.Errorf("%q: %+v, want %+v", cgroups, got, want)
		}
	}
}
