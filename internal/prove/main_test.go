package prove

import (
	"os"
	"testing"

	"relevo/internal/testleft"
)

// workerEnv makes the test binary a worker; its value names the behaviour.
const workerEnv = "PROVE_TEST_WORKER"

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(workerEnv); behaviour != "" {
		work(behaviour)
		return
	}
	code := m.Run()
	os.Exit(testleft.Judge(code, testleft.Goroutines(), testleft.Sockets(), testleft.Children()))
}
