package ipc

import (
	"fmt"
	"os"
	"testing"
	"time"

	"relevo/internal/testleft"
)

// tooLong bounds every wait of these tests; nothing takes that long.
const tooLong = 30 * time.Second

// roleEnv makes the test binary a child process; see roles.
const roleEnv = "IPC_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	before := testleft.OpenFiles()
	code := m.Run()
	os.Exit(testleft.Judge(code, testleft.Goroutines(), testleft.Files(before)))
}

// receive takes the next value of a channel, in time.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(tooLong):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}
