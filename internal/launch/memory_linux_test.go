package launch

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// hoards uses 64 MiB, and has a child that does the same.
var hoards = behaves("hoard", func() {
	const size = 64 << 20
	hoard := make([]byte, size)
	for i := 0; i < size; i += 512 {
		hoard[i] = 1
	}
	if os.Getenv("LAUNCH_TEST_CHILD") == "" {
		child := exec.Command(self())
		child.Env = append(os.Environ(), "LAUNCH_TEST_CHILD=1")
		child.Stdout = os.Stdout
		child.Start()
	}
	fmt.Println("holds", len(hoard))
	stay()
	fmt.Println(hoard[0])
})

func TestMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	alone := r.start(hoards.command("LAUNCH_TEST_CHILD=1"))
	family := newRig(t)
	both := family.start(hoards.command())
	await(t, "one", func() bool { return strings.Count(r.out.String(), "holds") == 1 })
	await(t, "two", func() bool { return strings.Count(family.out.String(), "holds") == 2 })
	one, err := Memory(alone.PID())
	if err != nil || one < 64<<20 {
		t.Errorf("one process uses %d, %v", one, err)
	}
	two, err := Memory(both.PID())
	if err != nil || two < 128<<20 || two < one*3/2 {
		t.Errorf("two processes use %d, %v", two, err)
	}
	alone.end()
	if _, err := Memory(alone.PID()); err == nil {
		t.Error("a process that is gone has memory")
	}
}
