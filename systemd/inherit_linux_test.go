package systemd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/systemd"
)

// inheritor makes the test binary a service's main process that prints what it
// has inherited. Only a process of its own has descriptors from 3 on.
const inheritor = "RELEVO_TEST_INHERITOR"

type inheritance struct {
	Named   []systemd.Named
	Error   string
	CloExec bool // of all
}

func inheritorMain() {
	if pid := os.Getenv("LISTEN_PID"); pid == "own" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	named, err := systemd.Inherited(os.Getenv)
	out := inheritance{Named: named, CloExec: true}
	if err != nil {
		out.Error = err.Error()
	}
	for _, n := range named {
		flags, _ := unix.FcntlInt(uintptr(n.FD), unix.F_GETFD, 0)
		out.CloExec = out.CloExec && flags&unix.FD_CLOEXEC != 0
	}
	json.NewEncoder(os.Stdout).Encode(out)
}

func TestInherited(t *testing.T) {
	two := []systemd.Named{{Name: "web", FD: 3}, {Name: "admin", FD: 4}}
	for _, test := range []struct {
		name, pid, fds, names string
		want                  []systemd.Named
		fails                 string
	}{
		{name: "named", pid: "own", fds: "2", names: "web:admin", want: two},
		{name: "same name twice", pid: "own", fds: "2", names: "web:web",
			want: []systemd.Named{{Name: "web", FD: 3}, {Name: "web", FD: 4}}},
		{name: "without names", pid: "own", fds: "2", want: []systemd.Named{{Name: "unknown", FD: 3},
			{Name: "unknown", FD: 4}}},
		{name: "empty name", pid: "own", fds: "2", names: "web:", want: []systemd.Named{{Name: "web", FD: 3}, {FD: 4}}},
		{name: "of another process", pid: "1", fds: "2", names: "web:admin"},
		{name: "of nobody", fds: "2", names: "web:admin"},
		{name: "none", pid: "own", fds: "0"},
		{name: "no variable", pid: "own"},
		{name: "odd pid", pid: "x", fds: "2", fails: `LISTEN_PID="x"`},
		{name: "negative pid", pid: "-4", fds: "2", fails: `LISTEN_PID="-4"`},
		{name: "odd number", pid: "own", fds: "two", fails: `LISTEN_FDS="two"`},
		{name: "negative number", pid: "own", fds: "-1", fails: `LISTEN_FDS="-1"`},
		{name: "huge number", pid: "own", fds: "2147483647", fails: `LISTEN_FDS="2147483647"`},
		{name: "too few names", pid: "own", fds: "2", names: "web", fails: "1 names for 2 descriptors"},
		{name: "too many descriptors", pid: "own", fds: "900", fails: "is not open"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = []string{inheritor + "=1", "GORACE=atexit_sleep_ms=0"}
			for name, value := range map[string]string{"LISTEN_PID": test.pid, "LISTEN_FDS": test.fds,
				"LISTEN_FDNAMES": test.names} {
				if value != "" {
					cmd.Env = append(cmd.Env, name+"="+value)
				}
			}
			cmd.ExtraFiles = []*os.File{os.Stdin, os.Stdin}
			out, err := cmd.Output()
			var got inheritance
			if err == nil {
				err = json.Unmarshal(out, &got)
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if fmt.Sprint(got.Named) != fmt.Sprint(test.want) {
				t.Errorf("inherited %v, want %v", got.Named, test.want)
			}
			if !got.CloExec {
				t.Error("children would inherit them, too")
			}
			if (got.Error != "") != (test.fails != "") || !strings.Contains(got.Error, test.fails) {
				t.Errorf("error %q, want one with %q", got.Error, test.fails)
			}
		})
	}
}

func TestWatchdogInterval(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, test := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", own, 30 * time.Second},
		{"30000000", "", 30 * time.Second},
		{"30000000", "1", 0},
		{"", own, 0},
		{"0", own, 0},
		{"-5", own, 0},
		{"soon", own, 0},
		{"18446744073709551615", own, 0}, // systemd's infinity
		{"9223372036854775807", own, 0},
	} {
		env := map[string]string{"WATCHDOG_USEC": test.usec, "WATCHDOG_PID": test.pid}
		got, wanted := systemd.WatchdogInterval(func(name string) string { return env[name] })
		if got != test.want || wanted != (test.want > 0) {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %v %v, want %v", test.usec, test.pid, got, wanted, test.want)
		}
	}
}

func TestStoreSizeTold(t *testing.T) {
	for _, test := range []struct {
		socket, store string
		want          int
		known         bool
	}{
		{"/run/systemd/notify", "64", 64, true},
		{"/run/systemd/notify", "0", 0, true},
		{"/run/systemd/notify", "many", 0, false},
		{"/run/systemd/notify", "-1", 0, false},
		{"", "64", 0, true},
	} {
		env := map[string]string{"NOTIFY_SOCKET": test.socket, "FDSTORE": test.store}
		if n, known := systemd.StoreSize(func(name string) string {
			return env[name]
		}); n != test.want || known != test.known {
			t.Errorf("FDSTORE=%s: %d %v, want %d %v", test.store, n, known, test.want, test.known)
		}
	}
}
