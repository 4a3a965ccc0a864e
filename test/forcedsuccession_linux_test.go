package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestForcedStopInSuccession: a stop, and then a second one, come while the next relevo starts.
// They end the app by force, and neither master waits for the other.
func TestForcedStopInSuccession(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "1", "--watch-binary=false", "--drain-timeout", "10m", "--upgrade", "tableflip")
	// The next relevo starts when the gate is opened.
	gate := filepath.Join(s.dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(s.dir, "next", "relevo")
	if err := os.Mkdir(filepath.Dir(next), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.program, next); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nread line <%s\nexec %s \"$@\"\n", gate, next)
	if err := writeProgram(s.program, []byte(script)); err != nil {
		t.Fatal(err)
	}
	status := s.status()
	worker := status.Workers[0].PID
	busy := begin(t, status.Listeners[0].Address, "/slow?for=10m")
	defer busy.Close()
	syscall.Kill(s.master.Process.Pid, syscall.SIGUSR2)
	s.await("the succession", func() bool { return strings.Contains(s.log.String(), "replacing the master") })
	for range 4 { // within half a second a signal only repeats the first stop
		syscall.Kill(s.master.Process.Pid, syscall.SIGTERM)
		time.Sleep(600 * time.Millisecond)
	}
	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-afterTooLong():
		t.Fatalf("the old master does not end:\n%s", s.log)
	}
	s.await("the end of the app", func() bool { return syscall.Kill(worker, 0) != nil })
	for _, want := range []string{"another master has taken over", "signal=SIGKILL"} {
		if log := s.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

// begin requests a page that takes long, and returns when the first bytes of the answer have
// arrived.
func begin(t *testing.T, address, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(tooLong))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn
}
