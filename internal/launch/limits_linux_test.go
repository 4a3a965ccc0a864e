package launch

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testreq"
	"relevo/pool"
)

// told runs a shell script as a worker and returns its lines.
func (r *rig) told(script string, env []string, limits config.Limits) []string {
	r.t.Helper()
	c := shell(script)
	c.Limits, c.Env = limits, env
	w := r.start(c)
	if exited := w.exit(); exited.Status != (pool.ExitStatus{}) {
		r.t.Fatalf("it ended with %+v, %s; %q", exited.Status, exited.Hint, r.err)
	}
	return strings.Split(strings.TrimSpace(r.out.String()), "\n")
}

func number(n int) *int { return &n }

func TestLimits(t *testing.T) {
	testreq.Root(t)
	got := newRig(t).told("ulimit -Sn; ulimit -Hn; ulimit -c; umask; nice; cat /proc/self/oom_score_adj; id -u", nil,
		config.Limits{
			Rlimits: []config.Rlimit{{Name: "nofile", Soft: 321, Hard: 654}, {Name: "core", Soft: 0, Hard: config.Unlimited}},
			Nice:    number(7), OOMScoreAdj: number(321), Umask: number(0o127),
		})
	if want := []string{"321", "654", "0", "0127", "7", "321", "0"}; !slices.Equal(got, want) {
		t.Errorf("the worker has %q, want %q", got, want)
	}
}

// TestOriginalNofile: the Go runtime raises its own soft limit of open files,
// which is none of the worker's business.
func TestOriginalNofile(t *testing.T) {
	c := shell(fmt.Sprintf("ulimit -Sn 256; exec env %s=%s %s", roleEnv, startsShell.name, self()))
	startsShell.used.Store(true)
	r := newRig(t)
	w := r.start(c)
	w.exit()
	if got := strings.Fields(r.out.String()); !slices.Equal(got, []string{"raised", "256"}) {
		t.Errorf("the worker of a worker has %q; %s", got, r.err)
	}
}

// startsShell is a master of its own.
var startsShell = behaves("start-shell", func() {
	var now unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &now); now.Cur > 256 {
		fmt.Println("raised")
	}
	l, err := New(Options{Streams: Streams{Out: os.Stdout, Err: os.Stderr}})
	if err != nil {
		panic(err)
	}
	release, err := l.Prepare(shell("ulimit -Sn"))
	if err != nil {
		panic(err)
	}
	ended := make(chan struct{})
	if _, err := release.Start(pool.Order{ID: "1"}, func(r pool.Report) {
		if _, last := r.(pool.Exited); last {
			close(ended)
		}
	}); err != nil {
		panic(err)
	}
	<-ended
})

func TestUser(t *testing.T) {
	testreq.Root(t)
	nobody, err := user.Lookup("nobody")
	if err != nil {
		testreq.Missing(t, err.Error())
	}
	before, err := syscall.Getgroups()
	if err == nil {
		err = syscall.Setgroups([]int{4, 27}) // which must not go to the worker
	}
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Setgroups(before)
	got := newRig(t).told("id -u; id -g; id -G; nice; echo $HOME $USER $LOGNAME; grep CapEff /proc/self/status",
		[]string{"LOGNAME=mine"}, config.Limits{
			User: "nobody", Nice: number(-3),
		})
	want := []string{nobody.Uid, nobody.Gid, nobody.Gid, "-3", nobody.HomeDir + " nobody mine",
		"CapEff:\t0000000000000000"}
	if !slices.Equal(got, want) {
		t.Errorf("the worker has %q, want %q", got, want)
	}
	got = newRig(t).told("id -u; id -g; id -G; echo $HOME $USER", nil, config.Limits{User: "54321", Group: "1234"})
	if want := []string{"54321", "1234", "1234", "/ 54321"}; !slices.Equal(got, want) {
		t.Errorf("the worker has %q, want %q", got, want)
	}
}

// TestUserCanNotify: a worker of another user says ready, strangers may not.
func TestUserCanNotify(t *testing.T) {
	testreq.Root(t)
	r := notified(t, "web")
	if err := r.server.GiveTo(54321, -1); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(r.opts.NotifySocket); dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(r.opts.NotifySocket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	c := shell(`exec python3 -c 'import socket,os,time; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); ` +
		`s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"]); time.sleep(60)'`)
	testreq.Program(t, "python3")
	c.Limits.User = "54321"
	if ready := expect[pool.Ready](r.start(c)); ready.How != "notify" {
		t.Errorf("ready by %s", ready.How)
	}
	c.Limits.User = "54322"
	w := r.start(c)
	w.exit()
	wantError(t, strings.Join(w.Tail(), "\n"), "Permission denied")
}

func TestLimitsRefused(t *testing.T) {
	r := newRig(t)
	for want, limits := range map[string]config.Limits{
		`run workers as user "no-such-user"`:      {User: "no-such-user"},
		`run workers as group "no-such-group"`:    {Group: "no-such-group"},
		"set nofile to 20 (hard limit":            {Rlimits: []config.Rlimit{{Name: "nofile", Soft: 30, Hard: 20}}},
		"cannot set the limit bananas":            {Rlimits: []config.Rlimit{{Name: "bananas"}}},
		"cannot set oom_score_adj to 5000: inval": {OOMScoreAdj: number(5000)},
	} {
		c := shell("exit 0")
		c.Limits = limits
		release, err := r.Prepare(c)
		if err != nil {
			wantError(t, err.Error(), want)
			continue
		}
		exited := r.startOf(release, pool.Order{ID: "1"}).exit()
		wantError(t, exited.Status.Error, want)
		release.Close()
	}
}

// TestLimitsNeedRoot: a master that is not root says that these limits need root.
func TestLimitsNeedRoot(t *testing.T) {
	c := refused.command()
	testreq.Root(t)
	r := newRig(t)
	c.Args[0] = anybodys(t, self())
	c.Limits.User = "54321"
	r.start(c).exit()
	text := r.out.String()
	wantError(t, text, "user nobody: this is user 54321 and only root may change the user",
		"cannot set nofile to 9999999 (hard limit ", "only root may raise it",
		"cannot set nice to -5: permission denied; only root may lower it",
		"cannot set oom_score_adj to -500: permission denied; only root may lower it")
}

// anybodys copies a program to where every user may run it.
func anybodys(t *testing.T, path string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bytes, err := os.ReadFile(path)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	copied := filepath.Join(dir, "program")
	if err == nil {
		err = os.WriteFile(copied, bytes, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

// refused is a master of a user who may not do what its configuration asks for.
var refused = behaves("refused", func() {
	_, err := LookUpUser("nobody", "")
	fmt.Println(err)
	launcher, err := New(Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, limits := range []config.Limits{
		{Rlimits: []config.Rlimit{{Name: "nofile", Soft: 9999999, Hard: 9999999}}},
		{Nice: number(-5)},
		{OOMScoreAdj: number(-500)},
	} {
		fmt.Println(startWith(launcher, limits))
	}
})

// startWith starts a worker with these limits, and returns why it did not run.
func startWith(l *Launcher, limits config.Limits) string {
	release, err := l.Prepare(Command{App: "app", Args: []string{"true"}, Limits: limits})
	if err != nil {
		return err.Error()
	}
	defer release.Close()
	exited := make(chan string, 1)
	_, err = release.Start(pool.Order{ID: "1"}, func(r pool.Report) {
		if e, is := r.(pool.Exited); is {
			exited <- e.Status.Error
		}
	})
	if err != nil {
		return err.Error()
	}
	return <-exited
}

func TestWatchdog(t *testing.T) {
	r := notified(t, "web")
	c := barks.command()
	c.Limits.Watchdog = 1500e6
	w := r.start(c)
	expect[pool.Alive](w)
	if hung := expect[pool.Hung](w); hung.Reason != "said WATCHDOG=trigger" {
		t.Errorf("hung: %q", hung.Reason)
	}
	await(t, "its words", func() bool { return strings.Contains(r.out.String(), "\n") })
	if got, want := r.out.String(), fmt.Sprintf("1500000 %d\n", w.PID()); got != want {
		t.Errorf("it got %q, want %q", got, want)
	}
}

var barks = behaves("bark", func() {
	fmt.Println(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"))
	notify("WATCHDOG=1")
	notify("WATCHDOG=trigger")
	stay()
})
