package prove

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// workerEnv makes the test binary a worker; its value names the behaviour.
const workerEnv = "PROVE_TEST_WORKER"

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(workerEnv); behaviour != "" {
		work(behaviour)
		return
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	if left := leftovers(); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, left)
		code = 1
	}
	os.Exit(code)
}
