package launch

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"relevo/pool"
)

// binds is a Python program that binds an address by itself, and stays.
func binds(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("import socket, time; s = socket.socket(); s.bind((%q, %s)); s.listen(); time.sleep(60)", host,
		port)
}

// TestBindsOurAddress: the program binds the same address as relevo.
func TestBindsOurAddress(t *testing.T) {
	r := newRig(t, "web", "admin")
	address := r.listeners[1].Address
	w := r.start(Command{App: "app", Args: []string{python(t), "-Sc", binds(address)}})
	// Python's error names no address: the hint names the first one that it may mean.
	wantError(t, w.exit().Hint, "relevo itself holds "+r.listeners[0].Address+", descriptor 3", "socket.socket(fileno=3)")

	w = r.start(Command{App: "app", Args: []string{python(t), "-Sc", "import sys; sys.exit('listen tcp " + address +
		": bind: address already in use')"}})
	wantError(t, w.exit().Hint, "relevo itself holds "+address+", descriptor 4", "fileno=4")

	w = r.start(Command{App: "app",
		Args: []string{"/bin/sh", "-c", python(t) + ` -Sc "` + strings.ReplaceAll(binds(address), `"`, `'`) + `"; true`}})
	wantError(t, w.exit().Hint, "relevo itself holds", "a process in between", "write exec")
}

// TestBindsTakenAddress: the address that the program binds belongs to another process.
func TestBindsTakenAddress(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, r := range []*rig{newRig(t, "web"), newRig(t)} {
		w := r.start(Command{App: "app", Args: []string{python(t), "-Sc", "import sys; sys.exit('address already in use: " +
			taken.Addr().String() + "')"}})
		_, port, _ := net.SplitHostPort(taken.Addr().String())
		wantError(t, w.exit().Hint, "port "+port, "is held by", "(pid "+strconv.Itoa(os.Getpid())+")", "-l :"+port)

		w = r.start(Command{App: "app", Args: []string{python(t), "-Sc", "import sys; sys.exit('cannot reach " +
			taken.Addr().String() + "')"}})
		if hint := w.exit().Hint; hint != "" {
			t.Errorf("an error of another kind: %q", hint)
		}
	}
}

// TestTriesAgain: the program says that the address is in use, and does not end.
func TestTriesAgain(t *testing.T) {
	r := newRig(t, "web")
	address := r.listeners[0].Address
	w := r.start(shell("echo 'Connection in use: " + address + "' >&2; exec sleep 600"))
	wantError(t, expect[pool.Obstructed](w).Hint, "relevo itself holds "+address+", descriptor 3")
}

// TestListensElsewhere: the program binds another address than relevo's, and never accepts on its
// inherited listener.
func TestListensElsewhere(t *testing.T) {
	r := newRig(t, "web")
	w := r.start(Command{App: "app", Args: []string{python(t), "-Sc", binds("127.0.0.1:0")}})
	hint := expect[pool.Obstructed](w).Hint
	wantError(t, hint, "it listens on 127.0.0.1:", "by itself and not on the listener of relevo ("+r.listeners[0].Address+
		", descriptor 3)", "fileno=3")

	// The same in a child.
	w = r.start(Command{App: "app",
		Args: []string{python(t), "-Sc", "import subprocess, sys; subprocess.run([sys.executable, '-Sc', " +
			strconv.Quote(binds("127.0.0.1:0")) + "])"}})
	wantError(t, expect[pool.Obstructed](w).Hint, "by itself", "it is a child of", "LISTEN_PID")
}

// TestListensWithoutOurs: the program listens where relevo sees no bind, and relevo has no listener
// for it.
func TestListensWithoutOurs(t *testing.T) {
	w := newRig(t).start(Command{App: "app", Args: []string{python(t), "-Sc", binds("127.0.0.1:0")}})
	obstacle := ""
	await(t, "the program to listen", func() bool { obstacle = w.Process.(*Process).obstacle(); return obstacle != "" })
	wantError(t, obstacle, "listens on 127.0.0.1:", "by itself")
}

// TestProcessInBetween: a shell runs the program without exec.
func TestProcessInBetween(t *testing.T) {
	r := newRig(t, "web")
	w := r.start(Command{App: "app", Args: []string{"/bin/sh", "-c", "sleep 60; true"}})
	wantError(t, expect[pool.Obstructed](w).Hint, "is a process in between", "LISTEN_PID", "sleep (pid ", "write exec")
}

// TestSwallowed: npm closes the descriptors that it inherits, so the program that it starts has no
// listener.
func TestSwallowed(t *testing.T) {
	r, dir := newRig(t, "web"), t.TempDir()
	executable(t, filepath.Join(dir, "npm"), "#!/bin/sh\nexec 3>&-\nexit 1\n")
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"scripts":{"start":"node server.js"}}`),
		0o644); err != nil {
		t.Fatal(err)
	}
	w := r.start(Command{App: "app", Args: []string{"./npm", "start"}, Dir: dir})
	wantError(t, w.exit().Hint, "npm is a process in between", "closes the listeners", "type what it runs: node server.js")
}

// TestListenerLost: an unknown process in between, which works well otherwise, is found by what its
// child prints.
func TestListenerLost(t *testing.T) {
	w := newRig(t, "web").start(Command{App: "app",
		Args: []string{"/bin/sh", "-c", "echo 'OSError: [Errno 9] Bad file descriptor'; exit 0"}})
	wantError(t, w.exit().Hint, "relevo passes 3", "a process in between")
}

// TestWrapperServes: there is one warning of a child that serves although it has a parent, and none
// if that parent handles the stop signal.
func TestWrapperServes(t *testing.T) {
	accepts := python(t) + ` -Sc "import socket; s = socket.socket(fileno=3); s.setblocking(True); s.accept()"`
	for script, warnings := range map[string]int{accepts + "; true": 1, "trap 'kill $!; wait' TERM; " + accepts +
		" & wait": 0, "exec " + accepts: 0} {
		r := newRig(t, "web")
		release := r.prepare(Command{App: "app", Args: []string{"/bin/sh", "-c", script}})
		for range 2 {
			w := r.startOf(release, order)
			expect[pool.Ready](w)
			w.Terminate()
			w.Kill()
			w.exit()
		}
		if n := strings.Count(r.log.String(), "a process in between"); n != warnings {
			t.Errorf("%s: warned %d times: %s", script, n, r.log)
		}
	}
}
