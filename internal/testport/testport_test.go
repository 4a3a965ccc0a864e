package testport

import (
	"net"
	"strconv"
	"testing"
)

// TestFree: no port is given twice while its test runs, and none that is in use.
func TestFree(t *testing.T) {
	seen := map[int]bool{}
	for range 500 {
		port := Free(t)
		if seen[port] {
			t.Fatalf("port %d twice", port)
		}
		if first := firstEphemeral(); port >= first || port < 1024 {
			t.Fatalf("port %d, although the kernel gives ports from %d on to clients", port, first)
		}
		seen[port] = true
	}
	l, err := net.Listen("tcp", Address(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if port := l.Addr().(*net.TCPAddr).Port; isFree(port) {
		t.Errorf("port %s is in use and called free", strconv.Itoa(port))
	}
}
