package capture

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"relevo/internal/testreq"
)

// What another user may not bind the master must not open for its program.
func TestMayBind(t *testing.T) {
	testreq.Root(t)
	if start := unprivilegedPorts(); start <= 80 {
		testreq.Missing(t, "every user may bind port 80 here")
	}
	other := exec.Command("sleep", "600")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	for _, test := range []struct {
		pid  int
		port uint16
		want bool
	}{{os.Getpid(), 80, true}, {other.Process.Pid, 80, false}, {other.Process.Pid, 8080, true},
		{other.Process.Pid, 0, true}, {1 << 30, 80, false}} {
		if got := MayBind(test.pid, test.port); got != test.want {
			t.Errorf("process %d, port %d: %v", test.pid, test.port, got)
		}
	}
}
