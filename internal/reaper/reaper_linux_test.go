package reaper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMain makes the test a subreaper: what its children leave behind is its own.
func TestMain(m *testing.M) {
	if Needed() && os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "the test is a subreaper before it has asked for it")
		os.Exit(1)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil || !Needed() {
		fmt.Fprintln(os.Stderr, "cannot be a subreaper:", err)
		os.Exit(1)
	}
	code := m.Run()
	if left := zombies(); code == 0 && len(left) > 0 {
		fmt.Fprintln(os.Stderr, "zombies are left:", left)
		code = 1
	}
	os.Exit(code)
}

const tooLong = 30 * time.Second

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// running returns a reaper that runs until the test has ended.
func running(t *testing.T) *Reaper {
	t.Helper()
	r := New(Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() { r.Run(ctx) })
	t.Cleanup(func() { cancel(); over.Wait() })
	return r
}

// child is one of this process's own.
type child struct {
	reaper *Reaper
	cmd    *exec.Cmd
}

func (r *Reaper) shell(script string) (*child, error) {
	c := &child{reaper: r, cmd: exec.Command("sh", "-c", script)}
	err := r.Start(func() (int, error) {
		if err := c.cmd.Start(); err != nil {
			return 0, err
		}
		return c.cmd.Process.Pid, nil
	})
	return c, err
}

// code waits for the child's death, then reaps it.
func (c *child) code() (int, error) {
	pid := c.cmd.Process.Pid
	awaitDeath(pid)
	var err error
	c.reaper.Reap(pid, func() { err = c.cmd.Wait() })
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return -1, err
	}
	return c.cmd.ProcessState.ExitCode(), nil
}

// awaitDeath leaves the dead child where it is.
func awaitDeath(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

func zombies() (pids []int) {
	for _, pid := range children() {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if i := bytes.LastIndexByte(stat, ')'); i > 0 && strings.HasPrefix(string(stat[i+1:]), " Z") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func wantCode(t *testing.T, c *child, want int) {
	t.Helper()
	if code, err := c.code(); code != want || err != nil {
		t.Errorf("exit code %d, %v; want %d", code, err, want)
	}
}

// TestStorm: thousands of orphans die while own children come and go; each own
// status gets to its owner, and no zombie is left.
func TestStorm(t *testing.T) {
	r := running(t)
	const storms, each, own = 4, 500, 50
	var all sync.WaitGroup
	for range storms {
		all.Go(func() {
			c, err := r.shell(fmt.Sprintf("i=0; while [ $i -lt %d ]; do (: &); i=$((i+1)); done; exit 9", each))
			if err != nil {
				t.Error(err)
				return
			}
			wantCode(t, c, 9)
		})
		all.Go(func() {
			for i := range own {
				c, err := r.shell(fmt.Sprintf("(exit 3 &); exit %d", i))
				if err != nil {
					t.Error(err)
					return
				}
				wantCode(t, c, i)
			}
		})
	}
	all.Wait()
	await(t, "the end of all", func() bool { return len(children()) == 0 })
	if len(r.own) != 0 || r.holds != 0 {
		t.Errorf("it still knows %v, and %d calls", r.own, r.holds)
	}
}

// TestBeforeRegistration: a child that dies before Start has returned is not
// taken for an orphan.
func TestBeforeRegistration(t *testing.T) {
	r := running(t)
	for i := range 50 {
		cmd := exec.Command("sh", "-c", fmt.Sprintf("exit %d", i))
		err := r.Start(func() (int, error) {
			if err := cmd.Start(); err != nil {
				return 0, err
			}
			awaitDeath(cmd.Process.Pid)
			// Run takes the second one after the sweep that the first one asks for.
			for range 3 {
				r.again <- struct{}{}
			}
			return cmd.Process.Pid, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, &child{r, cmd}, i)
	}
}

// TestHiddenByOwn: an own child that lies dead and is not waited for yet does not
// hide the strangers behind it.
func TestHiddenByOwn(t *testing.T) {
	r := running(t)
	first, err := r.shell("exit 5")
	if err != nil {
		t.Fatal(err)
	}
	awaitDeath(first.cmd.Process.Pid)
	for range 20 {
		second, err := r.shell("(exit 3 &); exit 6")
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, second, 6)
	}
	await(t, "nobody but the first", func() bool { return len(zombies()) == 1 && len(children()) == 1 })
	wantCode(t, first, 5)
}

// TestPause: what another part of the program starts and waits for is left to it,
// and what dies meanwhile is reaped afterwards.
func TestPause(t *testing.T) {
	r := running(t)
	resume := r.Pause()
	other := exec.Command("sh", "-c", "(exit 3 &); exit 8")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "two dead", func() bool { return len(zombies()) == 2 })
	second, err := r.shell("exit 4") // a pause holds nobody up
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, second, 4)
	if n := len(zombies()); n != 2 {
		t.Errorf("%d of 2 are left during a pause", n)
	}
	other.Wait()
	if code := other.ProcessState.ExitCode(); code != 8 {
		t.Errorf("its exit code is %d, want 8", code)
	}
	resume()
	resume() // is nothing
	await(t, "the end of all", func() bool { return len(children()) == 0 })
}

// TestAdopted: a child from before an exec is nobody's orphan.
func TestAdopted(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 7")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitDeath(cmd.Process.Pid)
	orphan := exec.Command("sh", "-c", "(exit 3 &)") // dead before Run begins
	if err := orphan.Run(); err != nil {
		t.Fatal(err)
	}
	r := New(Options{})
	r.Register(cmd.Process.Pid)
	ctx, cancel := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() { r.Run(ctx) })
	await(t, "the orphan's end", func() bool { return len(children()) == 1 })
	wantCode(t, &child{r, cmd}, 7)
	cancel()
	over.Wait()
}

// TestFailedStart: nothing is registered, and the error comes back.
func TestFailedStart(t *testing.T) {
	r := running(t)
	_, err := r.shell("exit 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(func() (int, error) { return 0, syscall.ENOENT }); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("got %v", err)
	}
	r.mu.Lock()
	pid := 0
	for own := range r.own {
		pid = own
	}
	known := len(r.own)
	r.mu.Unlock()
	if known != 1 {
		t.Errorf("it knows %d children, want 1", known)
	}
	awaitDeath(pid)
	r.Reap(pid, func() { unix.Wait4(pid, nil, 0, nil) })
}

// TestChildInfo: the pid is where the kernel writes it.
func TestChildInfo(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitDeath(cmd.Process.Pid)
	if got := firstDead(); got != cmd.Process.Pid {
		t.Errorf("the first dead is %d, want %d", got, cmd.Process.Pid)
	}
	cmd.Wait()
	if got := firstDead(); got != 0 {
		t.Errorf("the first dead is %d, want none", got)
	}
	if reap(cmd.Process.Pid) {
		t.Error("it was reaped twice")
	}
	if unsafe.Sizeof(childInfo{}) > unsafe.Sizeof(unix.Siginfo{}) {
		t.Error("it is larger than what the kernel fills in")
	}
}
