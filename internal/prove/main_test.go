package prove

import (
	"flag"
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
	// The parallel tests wait for time and for other processes far more than for a processor.
	flag.Parse()
	flag.Set("test.parallel", "6")
	code := m.Run()
	os.Exit(testleft.Judge(code, testleft.Goroutines(), testleft.Sockets(), testleft.Children()))
}
