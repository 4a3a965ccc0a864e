// Package testport finds ports for programs that want a number. The kernel may give
// any client a port of its ephemeral range, so one that was free there can be taken a
// moment later: these lie below that range, and no two tests have the same one.
package testport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// Free returns a port of 127.0.0.1 that nothing holds, for TCP and UDP. It is the
// test's until its end.
func Free(t testing.TB) int {
	t.Helper()
	port, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// Address is 127.0.0.1 with a port of Free.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Free(t)))
}

// Hold is Free for what is no test: the port belongs to the caller until release.
func Hold() (port int, release func(), err error) {
	first := firstEphemeral()
	for range 1000 {
		port = first/2 + rand.IntN(first-first/2)
		release, err = lock(port)
		if err != nil {
			continue // another test's
		}
		if isFree(port) {
			return port, release, nil
		}
		release()
	}
	return 0, nil, errors.Join(errors.New("cannot find a free port"), err)
}

// firstEphemeral is the first port of those that the kernel gives to clients.
func firstEphemeral() (first int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &first)
	}
	if err != nil || first < 4096 {
		return 32768 // of Linux; macOS begins at 49152
	}
	return first
}

// lock takes the name of a port. A name of an abstract socket is free again when its
// process is gone, and any user may take it.
func lock(port int) (release func(), err error) {
	if runtime.GOOS != "linux" {
		return func() {}, nil
	}
	l, err := net.Listen("unix", fmt.Sprintf("@relevo-test-port-%d", port))
	if err != nil {
		return nil, err
	}
	return func() { l.Close() }, nil
}

func isFree(port int) bool {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	stream, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer stream.Close()
	packet, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	packet.Close()
	return true
}
