package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/testport"
	"relevo/pool"
)

// tooLong is far longer than anything in the scripts takes, and short enough to notice a hang.
const tooLong = 60 * time.Second

// glance is the first pause between two looks at a condition, longestGlance the last: a look mostly asks a master for
// its status, which costs it more than its waiting.
const (
	glance        = 10 * time.Millisecond
	longestGlance = 4 * glance
)

type stateKey struct{}

// scriptState is what the commands of one script share.
type scriptState struct {
	loads map[string]*backgroundLoad
}

func stateOf(ts *testscript.TestScript) *scriptState {
	return ts.Value(stateKey{}).(*scriptState)
}

// end ends what a failed script has left: the masters, then their workers.
func (s *scriptState) end(env *testscript.Env) {
	for _, load := range s.loads {
		load.cancel()
	}
	sockets, _ := filepath.Glob(filepath.Join(env.Getenv("RELEVO_RUNTIME_DIR"), "*.sock"))
	for _, socket := range sockets {
		client, err := control.Connect(context.Background(), socket)
		if err == nil && client.Stop(context.Background(), true) == nil {
			await(func() bool { _, err := os.Stat(socket); return err != nil })
		}
	}
}

func haveProgram(name string) bool {
	_, err := exec.LookPath(name)
	if err != nil && os.Getenv("RELEVO_REQUIRE") == "all" {
		panic("RELEVO_REQUIRE=all: program " + name + " is not installed")
	}
	return err == nil
}

func afterTooLong() <-chan time.Time { return time.After(tooLong) }

// await looks until the condition holds. It returns false if it never does.
func await(holds func() bool) bool {
	pause := glance
	for deadline := time.Now().Add(tooLong); time.Now().Before(deadline); time.Sleep(pause) {
		if holds() {
			return true
		}
		pause = min(pause*9/8, longestGlance)
	}
	return false
}

// release FILE VERSION [BEHAVIOUR] makes a release of app and puts it in place by rename. See
// test/app for the behaviours.
func scriptRelease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: release FILE VERSION [BEHAVIOUR]")
	}
	behaviour := "serve"
	if len(args) == 3 {
		behaviour = args[2]
	}
	ts.Check(writeRelease(ts.MkAbs(args[0]), args[1], behaviour))
}

// freeport VARIABLE finds a port of 127.0.0.1 that nothing listens on.
func scriptFreePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport VARIABLE")
	}
	port, release, err := testport.Hold()
	ts.Check(err)
	ts.Defer(release)
	ts.Setenv(args[0], strconv.Itoa(port))
}

func appStatus(ts *testscript.TestScript, name string) (control.Status, error) {
	socket := filepath.Join(ts.Getenv("RELEVO_RUNTIME_DIR"), name+".sock")
	client, err := control.Connect(context.Background(), socket)
	if err != nil {
		return control.Status{}, err
	}
	return client.Status(context.Background())
}

// serving NAME N waits until N workers serve and none starts or leaves.
func scriptServing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serving NAME N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	var last control.Status
	settled := await(func() bool {
		last, err = appStatus(ts, args[0])
		if err != nil || last.State != "running" || len(last.Workers) != want {
			return false
		}
		for _, w := range last.Workers {
			if w.State != "serving" {
				return false
			}
		}
		return true
	})
	if !settled {
		ts.Fatalf("%s never settled at %d workers: %+v, %v", args[0], want, last, err)
	}
}

// pids NAME VARIABLE puts the pids of the serving workers, by slot, into a
// variable.
func scriptPIDs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pids NAME VARIABLE")
	}
	status, err := appStatus(ts, args[0])
	ts.Check(err)
	var pids []string
	for _, w := range status.Workers {
		if w.State == "serving" {
			pids = append(pids, strconv.Itoa(w.PID))
		}
	}
	ts.Setenv(args[1], strings.Join(pids, " "))
}

// get NAME PATH [LISTENER] prints the answer of the app.
func scriptGet(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: get NAME PATH [LISTENER]")
	}
	status, err := appStatus(ts, args[0])
	ts.Check(err)
	at := 0
	if len(args) == 3 {
		at = slices.IndexFunc(status.Listeners, func(l control.Listener) bool { return l.Name == args[2] })
	}
	if at < 0 {
		ts.Fatalf("%s has no listener %s: %+v", args[0], args[2], status.Listeners)
	}
	body, err := fetch(status.Listeners[at].Address, args[1])
	if (err != nil) != neg {
		ts.Fatalf("get %s: %v", args[1], err)
	}
	fmt.Fprint(ts.Stdout(), body)
}

// address NAME LISTENER VARIABLE puts the address of a listener into a variable.
func scriptAddress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: address NAME LISTENER VARIABLE")
	}
	status, err := appStatus(ts, args[0])
	ts.Check(err)
	at := slices.IndexFunc(status.Listeners, func(l control.Listener) bool { return l.Name == args[1] })
	if at < 0 {
		ts.Fatalf("%s has no listener %s: %+v", args[0], args[1], status.Listeners)
	}
	ts.Setenv(args[2], status.Listeners[at].Address)
}

func fetch(address, path string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") {
		network = "unix"
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial(network, address) },
	}
	client := &http.Client{Transport: transport, Timeout: tooLong}
	response, err := client.Get("http://app" + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// gone PID… waits until the processes are gone.
func scriptGone(ts *testscript.TestScript, neg bool, args []string) {
	for _, field := range strings.Fields(strings.Join(args, " ")) {
		pid, err := strconv.Atoi(field)
		ts.Check(err)
		if neg {
			if syscall.Kill(pid, 0) != nil {
				ts.Fatalf("process %d is gone", pid)
			}
			continue
		}
		if !await(func() bool { return syscall.Kill(pid, 0) != nil }) {
			ts.Fatalf("process %d is still there", pid)
		}
	}
}

// eventual FILE TEXT [TIMES] waits until a file contains a text, at least that often.
func scriptEventually(ts *testscript.TestScript, neg bool, args []string) {
	times := 1
	if len(args) == 3 {
		var err error
		times, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: eventual FILE TEXT [TIMES]")
	}
	var text []byte
	found := await(func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0]))
		return strings.Count(string(text), args[1]) >= times
	})
	if !found {
		ts.Fatalf("%s never contained %q %d times:\n%s", args[0], args[1], times, text)
	}
}

// exits CODE COMMAND… runs a command that must end with exactly this code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

// sig SIGNAL NAME sends a signal to a master.
func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sig SIGNAL NAME")
	}
	status, err := appStatus(ts, args[1])
	ts.Check(err)
	sig, err := config.ParseSignal(args[0])
	ts.Check(err)
	ts.Check(syscall.Kill(status.PID, sig))
}

// murder NAME SLOT kills a worker and waits until another one serves its slot.
func scriptMurder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: murder NAME SLOT")
	}
	slot, err := strconv.Atoi(args[1])
	ts.Check(err)
	inSlot := func() string {
		status, err := appStatus(ts, args[0])
		ts.Check(err)
		for _, w := range status.Workers {
			if w.Slot == slot && w.State == "serving" {
				return w.ID
			}
		}
		return ""
	}
	victim := inSlot()
	ts.Check(ts.Exec("relevo", "signal", args[0], "KILL", "--id", victim))
	if !await(func() bool { now := inSlot(); return now != "" && now != victim }) {
		ts.Fatalf("slot %d was not filled again", slot)
	}
}

// heard NAME FILE waits until the `relevo events` that writes FILE is connected to the master. It
// shows only what happens after that.
func scriptHeard(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: heard NAME FILE")
	}
	client, err := control.Connect(context.Background(), filepath.Join(ts.Getenv("RELEVO_RUNTIME_DIR"), args[0]+".sock"))
	ts.Check(err)
	heard := await(func() bool {
		_, err := client.Send(context.Background(), pool.Target{}, json.RawMessage(`"do you hear"`))
		ts.Check(err)
		text, _ := os.ReadFile(ts.MkAbs(args[1]))
		return strings.Contains(string(text), "do you hear")
	})
	if !heard {
		ts.Fatalf("%s never showed a message", args[1])
	}
}
