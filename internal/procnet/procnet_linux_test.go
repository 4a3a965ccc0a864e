package procnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"relevo/internal/procfs"
)

func TestOwnSockets(t *testing.T) {
	for _, datagram := range []bool{false, true} {
		address := ""
		if datagram {
			conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			address = conn.LocalAddr().String()
		} else {
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			address = listener.Addr().String()
		}
		found := false
		for _, s := range Waiting(datagram) {
			if s.AddrPort == netip.MustParseAddrPort(address) {
				pid, name := Holder(s.Inode)
				found = pid == os.Getpid() && name != "" && Inodes(pid)[s.Inode]
			}
		}
		if !found {
			t.Errorf("%s is not found, or not as one of this process", address)
		}
	}
}

// TestWaitingReadsNoConnections: the table of connections is not read. With many thousands of them
// that takes a second, for which a worker that binds would wait.
func TestWaitingReadsNoConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := bytesRead(t)
	if len(Waiting(false)) == 0 {
		t.Fatal("no socket listens")
	}
	const ownReading = 200 // of bytesRead
	if read := bytesRead(t) - before; read > ownReading {
		t.Errorf("to find the sockets that listen, %d bytes of files were read", read)
	}
}

// bytesRead returns how many bytes this thread has read from files (proc_pid_io(5)).
func bytesRead(t *testing.T) (bytes int) {
	t.Helper()
	text, err := procfs.Read("/proc/thread-self/io")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(text), "rchar: %d", &bytes); err != nil || !strings.Contains(string(text), "wchar") {
		t.Fatalf("cannot read %q: %v", text, err)
	}
	return bytes
}

// TestWaitingAddresses: listening sockets of all kinds are found by their address.
func TestWaitingAddresses(t *testing.T) {
	addresses := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": "[::]:0"}
	for network, address := range addresses {
		listener, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		own := listener.Addr().(*net.TCPAddr).AddrPort()
		if !slices.ContainsFunc(Waiting(false), func(s Socket) bool { return s.AddrPort == own }) {
			t.Errorf("%s is not found", own)
		}
	}
}
