package succession

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// TestBlame: a shortage of the master does not speak against the program that was to follow.
func TestBlame(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("cannot replace the master: %w", os.NewSyscallError("pipe2", syscall.EMFILE)):        false,
		&os.PathError{Op: "fork/exec", Path: "/usr/bin/relevo", Err: syscall.EAGAIN}:                    false,
		fmt.Errorf("cannot pass the legacy on: %w", syscall.ENOMEM):                                     false,
		&os.PathError{Op: "fork/exec", Path: "/usr/bin/relevo", Err: syscall.ENOEXEC}:                   true,
		errors.New("cannot replace the master: /usr/bin/relevo could not take over: exit status 1: no"): true,
	} {
		fault := newcomerError{}
		if got := errors.As(blame(err), &fault); got != want {
			t.Errorf("%v speaks against the program: %t", err, got)
		}
	}
	if blame(nil) != nil {
		t.Error("nothing is blamed for something")
	}
}
