package succession

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUnadoptedWorkers: workers of the previous master get the stop signal, and SIGKILL if they
// do not end.
func TestUnadoptedWorkers(t *testing.T) {
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
		workers := UnadoptedWorkers{pidfds: []int{pidfd}, Patient: 50 * time.Millisecond}
		workers.Stop(unix.SIGTERM)
		if unix.Kill(child.Pid, 0) == nil {
			t.Errorf("%s: it is still there", program)
		}
		if workers.pidfds != nil {
			t.Error("the pidfds are kept after the end")
		}
	}
}
