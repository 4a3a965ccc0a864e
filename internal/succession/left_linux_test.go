package succession

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLeftWorkers: those that the previous master has left are asked to go, and ended where
// they do not.
func TestLeftWorkers(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"exec sleep 1000", "trap '' TERM; exec sleep 1000"} {
		child, err := os.StartProcess("/bin/sh", []string{"sh", "-c", program}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		pidfd, err := unix.PidfdOpen(child.Pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		left := LeftWorkers{pidfds: []int{pidfd}, Patient: 50 * time.Millisecond}
		left.Leave(unix.SIGTERM)
		if unix.Kill(child.Pid, 0) == nil {
			t.Errorf("%s: it is still there", program)
		}
		if left.pidfds != nil {
			t.Error("what is gone is kept")
		}
	}
}
