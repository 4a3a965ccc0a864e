// Package testproc runs the test binary again, as a child in one of the roles that a test needs, and
// says what a process knows of its own sockets.
package testproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TooLong is longer than anything takes that a child does.
const TooLong = 30 * time.Second

// envRole makes the test binary run as one of the roles.
const envRole = "TESTPROC_ROLE"

// Roles are the programs that the children of a package's tests run.
type Roles map[string]func(args []string) error

// Run runs the role of this process and returns its exit code, if this process is a child. A
// TestMain calls it first.
func (r Roles) Run() (code int, isChild bool) {
	role := os.Getenv(envRole)
	if role == "" {
		return 0, false
	}
	if err := r[role](os.Args[1:]); err != nil {
		fmt.Println("error:", err)
		return 1, true
	}
	return 0, true
}

// Child is a process in one of the roles. It talks line by line and ends with its stdin.
type Child struct {
	Cmd   *exec.Cmd
	In    io.WriteCloser
	Lines *bufio.Scanner
	t     *testing.T
}

// Spawn starts a child with the inherited files from descriptor 3 on.
func Spawn(t *testing.T, role string, inherit []*os.File, args ...string) *Child {
	t.Helper()
	return SpawnFrom(t, os.Args[0], role, inherit, args...)
}

// SpawnFrom has the child run a copy of this program.
func SpawnFrom(t *testing.T, program, role string, inherit []*os.File, args ...string) *Child {
	t.Helper()
	c := &Child{t: t, Cmd: exec.Command(program, args...)}
	// Under the race detector a process sleeps for a second before it exits.
	c.Cmd.Env = append(os.Environ(), envRole+"="+role, "GORACE=atexit_sleep_ms=0")
	c.Cmd.Stderr = t.Output()
	c.Cmd.ExtraFiles = inherit
	c.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // signals reach its successors, too
	var err error
	if c.In, err = c.Cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.Cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Lines = bufio.NewScanner(out)
	if err := c.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	patience := time.AfterFunc(TooLong, func() { syscall.Kill(-c.Cmd.Process.Pid, syscall.SIGKILL) })
	t.Cleanup(func() {
		c.In.Close()
		c.Cmd.Wait()
		patience.Stop()
	})
	return c
}

// Line returns the next line of the child.
func (c *Child) Line() string {
	c.t.Helper()
	if !c.Lines.Scan() {
		c.t.Fatalf("the child ended: %v", c.Lines.Err())
	}
	return c.Lines.Text()
}

// Say writes a line to the child.
func (c *Child) Say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.In, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// SocketPath returns a short path: the path of a socket has 107 bytes at most.
func SocketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}
