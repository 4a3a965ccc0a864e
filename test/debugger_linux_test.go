package test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

const portApp = `require('node:http').createServer((request, response) => response.end('served')).listen(0, ` +
	`'127.0.0.1')`

// TestDebuggerAwaited: a worker that waits for a debugger is reported as such, and the debugger's
// port does not make it ready. It runs when a debugger has connected.
func TestDebuggerAwaited(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "node")
	s, address := emptySite(t), testport.Address(t)
	s.must(os.WriteFile(s.at("app.js"), []byte(portApp), 0o644))
	waiting := func(n int) {
		t.Helper()
		var said string
		s.await("the debugger to be named", func() bool {
			_, said = s.relevo("status", "site")
			return strings.Count(said, "it waits for a debugger at "+address+
				": attach one, or write --inspect in the place of --inspect-brk") == n
		})
		if strings.Contains(said, "captured") || strings.Contains(said, " serving ") {
			t.Errorf("the debugger's port counts as the app's:\n%s", said)
		}
	}
	start := func(n string) {
		s.run("run", "--name", "site", "-n", n, "--ready-timeout", "5m", "--watch-binary=false", "--", "node",
			"--inspect-brk="+address, "app.js")
	}
	start("2")
	waiting(2)
	// The command line shows that the worker waits, before the debugger listens.
	told := func() int { return strings.Count(s.log.String(), "several workers have their debugger at one address") }
	s.await("the shared address to be reported", func() bool { return told() > 0 })
	s.stop()
	if n := told(); n != 1 {
		t.Errorf("%d reports that workers share the debugger's address", n)
	}

	start("1")
	waiting(1)
	client := exec.Command("node", "inspect", address)
	client.Stdin, client.Stdout, client.Stderr = strings.NewReader("cont\n"), s.log, s.log
	s.must(client.Start())
	defer func() { client.Process.Kill(); client.Wait() }()
	s.serves()
	s.settled(1)
	if note := s.status().Workers[0].Text; note != "" {
		t.Errorf("the worker serves, and is still reported as: %s", note)
	}
	s.stop()
}

// TestDebuggerPort: the port of a debugger for which the program does not wait is not a listener of
// the app. After a roll the new worker has it.
func TestDebuggerPort(t *testing.T) {
	t.Parallel()
	address := testport.Address(t)
	s := nodeSite(t, portApp, "-n", "1", "--env", "NODE_OPTIONS=--inspect="+address)
	answers := func() bool {
		_, err := fetch(address, "/json/version")
		return err == nil
	}
	s.await("the debugger to answer", answers)
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.settled(1)
	s.await("the new worker's debugger to answer", answers)
	if all := s.status().Listeners; slices.ContainsFunc(all, func(l control.Listener) bool {
		return l.Address == address
	}) {
		t.Errorf("the debugger's port is a listener: %+v", all)
	}
	s.stop()
	if strings.Contains(s.log.String(), "several workers") {
		t.Error("two generations count as two slots")
	}
}
