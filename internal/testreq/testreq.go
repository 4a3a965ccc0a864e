// Package testreq lets a test name what it needs from the machine. A machine
// that lacks it skips the test with the reason; where RELEVO_REQUIRE=all is set,
// as in CI, the same test fails instead, so that nothing is skipped in silence.
package testreq

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of an executable in PATH.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "program "+name+" is not installed")
	}
	return path
}

// Root ends the test where it does not run as root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "this test needs root")
	}
}

// Missing skips the test with a reason, or fails it under RELEVO_REQUIRE=all.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("RELEVO_REQUIRE") == "all" {
		t.Fatalf("RELEVO_REQUIRE=all: %s", reason)
	}
	t.Skip(reason)
}

// Long says whether the tests that take long run too.
func Long() bool { return long.asked }

// TakesLong skips the test unless the flag -long asks for it.
func TakesLong(t testing.TB) {
	t.Helper()
	if !Long() {
		t.Skip("takes long: go test PACKAGE -long")
	}
}
