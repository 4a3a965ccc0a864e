package test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"relevo/internal/launch/shim"
)

// TestShimIsEarly: the shim of a worker runs before the packages are initialised that take time:
// every start of a worker would wait for them.
func TestShimIsEarly(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	order, orders, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer order.Close()
	orders.Close() // so there is no order, and it ends
	cmd := exec.Command(program, "-test.run=^$")
	cmd.Env = []string{shim.Variable + "=3", "GODEBUG=inittrace=1"}
	cmd.ExtraFiles = []*os.File{order}
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 127 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	var initialised []string
	for _, line := range regexp.MustCompile(`(?m)^init (\S+) @`).FindAllSubmatch(out, -1) {
		initialised = append(initialised, string(line[1]))
	}
	const few = 25
	if !slices.Contains(initialised, "syscall") || len(initialised) > few || slices.Contains(initialised, "os") {
		t.Errorf("%d packages are initialised before the shim: %q", len(initialised), initialised)
	}
}
