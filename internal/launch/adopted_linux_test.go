package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestZombieStatus: the name of a program may contain anything, even what ends the name in /proc.
func TestZombieStatus(t *testing.T) {
	for _, name := range []string{"plain", "a space", "a) b", "x) Z 1 (y"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 7\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path) // the kernel names a script's process after its file
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := cmd.Process.Pid
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
		if status, ok := zombieStatus(pid); !ok || status.ExitStatus() != 7 {
			t.Errorf("%q: %v, %v; want exit status 7", name, status, ok)
		}
		cmd.Wait()
	}
}
