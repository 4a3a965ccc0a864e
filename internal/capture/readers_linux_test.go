package capture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func bindTwice() error {
	for range 2 {
		if err := bindTo(socket(0), wantedPort); err != nil {
			return err
		}
		fmt.Println("bound")
		bufio.NewReader(os.Stdin).ReadByte()
	}
	return nil
}

// Another reader of the same descriptor continues where one has stopped, as the next
// master does: a bind in between waits.
func TestNextReader(t *testing.T) {
	p := start(t, "two")
	_, fd := listen(t)
	ended := p.serve(func(Bind) Answer { return Answer{FD: fd} })
	p.want(t, "bound")
	p.notifications.Stop()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("stopped with %v", err)
	}
	p.next.Write([]byte("."))
	raw, err := p.notifications.File().SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var copied int
	raw.Control(func(old uintptr) { copied, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	p.notifications.Close()
	if p.notifications, err = Open(os.NewFile(uintptr(copied), "copy")); err != nil {
		t.Fatal(err)
	}
	p.serve(func(Bind) Answer { return Answer{FD: fd} })
	p.want(t, "bound")
}

func dieInBind() error { return bindTo(socket(0), wantedPort) }

// A reader does not wait for a program that was killed in its bind.
func TestDiesInBind(t *testing.T) {
	p := start(t, "die")
	_, fd := listen(t)
	err := <-p.serve(func(Bind) Answer {
		p.Process.Kill()
		var status unix.Siginfo
		unix.Waitid(unix.P_PID, p.Process.Pid, &status, unix.WEXITED|unix.WNOWAIT, nil)
		return Answer{FD: fd}
	})
	if !errors.Is(err, ErrEnded) {
		t.Errorf("ended with %v", err)
	}
}

func bindInChild() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, "run")
	child.Env = append(os.Environ(), roleEnv+"=threads")
	out, err := child.CombinedOutput()
	fmt.Println(strings.TrimSpace(string(bytes.TrimSpace(out))))
	return err
}

// The filter is on a program's children, too.
func TestChildren(t *testing.T) {
	p := start(t, "fork-first")
	_, fd := listen(t)
	p.serve(func(b Bind) Answer {
		if b.PID == p.Process.Pid {
			return Answer{FD: -1, Errno: unix.EACCES}
		}
		return Answer{FD: fd}
	})
	p.want(t, "all")
}
