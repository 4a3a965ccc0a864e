package threads

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"relevo/internal/procfs"

	"golang.org/x/sys/unix"
)

// roleEnv makes the test binary a program that comes to its limit of tasks.
const roleEnv = "THREADS_TEST_RESERVE"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) != "" {
		atTheLimit()
		return
	}
	os.Exit(m.Run())
}

// atTheLimit has many goroutines hold threads where the kernel gives no more.
func atTheLimit() {
	const held, own = 16, 6 // own: what the runtime itself may want meanwhile
	Reserve(held + own)
	limit := unix.Rlimit{Cur: 1, Max: 1}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		fmt.Println(err)
		return
	}
	if os.Getuid() == 0 { // root has no limit
		if err := syscall.Setuid(65534); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := exec.Command("/bin/true").Run(); err == nil {
		fmt.Println("there is no limit")
		return
	}
	hold(held)
	fmt.Println("alive")
}

// hold has count goroutines hold a thread each at the same time.
func hold(count int) {
	var arrived, done sync.WaitGroup
	leave := make(chan struct{})
	arrived.Add(count)
	for range count {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			arrived.Done()
			<-leave
		})
	}
	arrived.Wait()
	close(leave)
	done.Wait()
}

func TestReservedThreadsOutlastTheLimit(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), roleEnv+"=1", "GORACE=atexit_sleep_ms=0")
	said, err := child.CombinedOutput()
	if err != nil || string(said) != "alive\n" {
		t.Errorf("at the limit of tasks it ended with %v, and said %.400s", err, said)
	}
}

func TestLeastRoomOfAllCgroups(t *testing.T) {
	mount := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(mount, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name, cgroup string
		max          map[string]string // of directories, "MAX CURRENT"
		left         int
		limited      bool
	}{
		{"none", "0::/a", nil, 0, false},
		{"v2", "0::/b/c", map[string]string{"b": "100 20", "b/c": "max 20"}, 80, true},
		{"v2, the inner one is less", "0::/d/e", map[string]string{"d": "100 20", "d/e": "30 20"}, 10, true},
		{"v1", "7:cpu:/x\n8:pids:/f\n0::/", map[string]string{"pids/f": "50 49"}, 1, true},
		{"over the limit", "0::/g", map[string]string{"g": "5 9"}, 0, true},
	} {
		write("cgroup", test.cgroup+"\n")
		for dir, numbers := range test.max {
			most, now, _ := strings.Cut(numbers, " ")
			write(dir+"/pids.max", most+"\n")
			write(dir+"/pids.current", now+"\n")
		}
		left, limited := leastRoom(cgroups(procfs.Process(mount), mount))
		if left != test.left || limited != test.limited {
			t.Errorf("%s: %d, %v; want %d, %v", test.name, left, limited, test.left, test.limited)
		}
	}
}
