// Package e2e has tests of relevo-fleet with a real etcd, and with machines that have a real master, an app
// under load and an agent each.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs is the directory of relevo, relevo-fleet and the app of relevo's tests.
var programs string

func TestMain(m *testing.M) {
	code, err := withPrograms(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withPrograms(m *testing.M) (code int, err error) {
	if programs, err = os.MkdirTemp("", "relevo-fleet-test"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(programs)
	for name, in := range map[string][2]string{
		"relevo": {"../../../..", "."}, "app": {"../../../..", "./test/app"}, "relevo-fleet": {"..", "."}} {
		args := []string{"build", "-C", in[0], "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(programs, name)}
		if raceDetector && name == "relevo-fleet" {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, in[1])...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("cannot build %s: %w\n%s", name, err, out)
		}
	}
	return m.Run(), nil
}
