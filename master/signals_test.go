package master

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStopWanted(t *testing.T) {
	signals := make(chan os.Signal, 3)
	if stopWanted(signals) {
		t.Error("nobody has asked")
	}
	signals <- unix.SIGHUP
	signals <- unix.SIGTTIN
	if stopWanted(signals) || len(signals) != 2 {
		t.Errorf("%d of 2 signals wait", len(signals))
	}
	signals <- unix.SIGTERM
	if !stopWanted(signals) {
		t.Error("a stop was asked for")
	}
}

// TestTaken: nothing that has a meaning of its own to the runtime is taken.
func TestTaken(t *testing.T) {
	for _, init := range []bool{false, true} {
		for _, sig := range []os.Signal{unix.SIGURG, unix.SIGCHLD, unix.SIGPROF, unix.SIGKILL, unix.SIGSTOP, unix.SIGCONT, unix.SIGWINCH} {
			if slices.Contains(taken(init), sig) {
				t.Errorf("%s is taken", sig)
			}
		}
	}
	if slices.Contains(taken(false), os.Signal(unix.SIGSEGV)) || !slices.Contains(taken(true), os.Signal(unix.SIGSEGV)) {
		t.Error("a crash is to be a crash, except for PID 1")
	}
}
