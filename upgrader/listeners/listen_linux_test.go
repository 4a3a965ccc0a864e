package listeners_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testproc"
	"relevo/internal/testreq"
	"relevo/upgrader/listeners"
)

// fd returns the listener's descriptor, for system calls on it.
func fd(l *listeners.Listener) int { return int(l.File().Fd()) }

func needIPv6(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		testreq.Missing(t, "no IPv6: "+err.Error())
	}
	listener.Close()
}

// reaches says whether a client gets through to an address.
func reaches(network, address string) error {
	conn, err := net.Dial(network, address)
	if err == nil {
		conn.Close()
	}
	return err
}

func TestTCP(t *testing.T) {
	needIPv6(t)
	tests := []struct {
		listen, host string
		four, six    bool
	}{
		{":0", "::", true, true},
		{"0", "::", true, true},
		{"[::]:0", "::", true, true},
		{"0.0.0.0:0", "0.0.0.0", true, false},
		{"tcp4:0.0.0.0:0", "0.0.0.0", true, false},
		{"tcp6:[::]:0", "::", false, true},
		{"127.0.0.1:0", "127.0.0.1", true, false},
		{"localhost:0", "127.0.0.1", true, false},
		{"tcp4::0", "0.0.0.0", true, false},
		{"tcp6::0", "::", false, true},
		{"tcp6:[::1]:0", "::1", false, true},
		{"[::1]:0", "::1", false, true},
	}
	for _, test := range tests {
		t.Run(test.listen, func(t *testing.T) {
			l := listen(t, test.listen)[0]
			address, err := netip.ParseAddrPort(l.Address)
			if err != nil || address.Port() == 0 || address.Addr().String() != test.host {
				t.Fatalf("address %q, want %s and a port", l.Address, test.host)
			}
			port := strconv.Itoa(int(address.Port()))
			for host, want := range map[string]bool{"127.0.0.1": test.four, "::1": test.six} {
				err := reaches("tcp", net.JoinHostPort(host, port))
				if got := err == nil; got != want || err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("connecting to %s: %v, want success %v", host, err, want)
				}
			}
		})
	}
}

// The kernel's view of every kind of listener.
func TestSocketProperties(t *testing.T) {
	path := testproc.SocketPath(t)
	for _, l := range listen(t, "a=127.0.0.1:0", "b=:0", "c=unix:"+path, "d=udp:127.0.0.1:0", "e=udp4::0",
		"f=udp:0.0.0.0:0") {
		flags, err := unix.FcntlInt(uintptr(fd(l)), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s is blocking (flags %#x, %v)", l.Name, flags, err)
		}
		flags, err = unix.FcntlInt(uintptr(fd(l)), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s stays open over exec (flags %#x, %v)", l.Name, flags, err)
		}
		protocol, err := unix.GetsockoptInt(fd(l), unix.SOL_SOCKET, unix.SO_PROTOCOL)
		want := map[bool]int{true: unix.IPPROTO_UDP, false: unix.IPPROTO_TCP}[l.Datagram()]
		if l.Name == "c" {
			want = 0
		}
		if err != nil || protocol != want {
			t.Errorf("%s has protocol %d, want %d (%v)", l.Name, protocol, want, err)
		}
	}
}

// A listener on port 0 gets one port, the same in its address and for clients.
func TestPortZeroIsResolvedOnce(t *testing.T) {
	opened := listen(t, "127.0.0.1:0", "admin=127.0.0.1:0")
	if opened[0].Address == opened[1].Address {
		t.Errorf("two listeners on %s", opened[0].Address)
	}
	for i, name := range []string{"listen", "admin"} {
		l := opened[i]
		if l.Name != name {
			t.Errorf("listener %d is %q, want %q", i, l.Name, name)
		}
		name, err := unix.Getsockname(fd(l))
		if err != nil {
			t.Fatal(err)
		}
		if bound := fmt.Sprint("127.0.0.1:", name.(*unix.SockaddrInet4).Port); bound != l.Address {
			t.Errorf("bound to %s, reported as %s", bound, l.Address)
		}
		if err := reaches("tcp", l.Address); err != nil {
			t.Error(err)
		}
	}
}

func TestUDP(t *testing.T) {
	needIPv6(t)
	for listenOn, from := range map[string]string{
		"udp:127.0.0.1:0": "127.0.0.1", "udp6:[::1]:0": "::1", "udp::0": "127.0.0.1", "udp4::0": "127.0.0.1",
	} {
		l := listen(t, listenOn)[0]
		address := netip.MustParseAddrPort(l.Address)
		conn, err := net.Dial("udp", net.JoinHostPort(from, strconv.Itoa(int(address.Port()))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		// Over loopback a datagram has arrived when the send returns.
		buffer := make([]byte, 16)
		n, _, err := unix.Recvfrom(fd(l), buffer, 0)
		if err != nil || string(buffer[:n]) != "hello" {
			t.Errorf("%s received %q, %v", listenOn, buffer[:n], err)
		}
		if err := l.Reassert(); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	err := reachesUDP(listen(t, "udp6::0")[0])
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a udp6 socket answers IPv4: %v", err)
	}
}

// reachesUDP sends to the port over IPv4; a refusal comes back as ICMP.
func reachesUDP(l *listeners.Listener) error {
	_, port, _ := net.SplitHostPort(l.Address)
	conn, err := net.Dial("udp4", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.Write([]byte("1"))
	_, err = conn.Write([]byte("2"))
	return err
}

func acceptQueue(t *testing.T, l *listeners.Listener) int {
	t.Helper()
	// For a listening socket, tcpi_sacked is the length of the accept queue.
	info, err := unix.GetsockoptTCPInfo(fd(l), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sacked)
}

func somaxconn(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBacklog(t *testing.T) {
	for _, l := range listen(t, "a=127.0.0.1:0", "b=127.0.0.1:0,backlog=7") {
		want := l.Backlog
		if want == 0 {
			want = somaxconn(t)
		}
		if got := acceptQueue(t, l); got != want {
			t.Errorf("%s has an accept queue of %d, want %d", l.Name, got, want)
		}
	}
}

func TestUnixBacklog(t *testing.T) {
	l := listen(t, "unix:"+testproc.SocketPath(t)+",backlog=3")[0]
	if n := fill(t, l.Address); n != 4 { // the kernel takes one more than asked
		t.Errorf("the accept queue took %d connections, want 4", n)
	}
}

// fill connects until the queue is full and returns how many connections it took.
func fill(t *testing.T, path string) (n int) {
	t.Helper()
	for {
		conn, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		n++
	}
}

// Any process that has the socket can spoil it for all others.
func TestReassert(t *testing.T) {
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "127.0.0.1:0,backlog=99", "udp=udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := opened[0]
	worker := testproc.Spawn(t, "spoil", []*os.File{l.File()})
	if line := worker.Line(); line != "nonblocking true" {
		t.Errorf("the worker got the listener %s: passing it on has changed it", line)
	}
	worker.Cmd.Wait()
	if nonblocking(t, l) || acceptQueue(t, l) != 1 {
		t.Fatal("the worker has not spoiled the listener: this test shows nothing")
	}
	if err := unix.SetNonblock(fd(opened[1]), false); err != nil {
		t.Fatal(err)
	}
	set.Reassert()
	if !nonblocking(t, l) || !nonblocking(t, opened[1]) {
		t.Error("a listener still blocks")
	}
	if got := acceptQueue(t, l); got != 99 {
		t.Errorf("the accept queue has length %d, want 99", got)
	}
	if err := reaches("tcp", l.Address); err != nil {
		t.Error(err)
	}
}

func nonblocking(t *testing.T, l *listeners.Listener) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd(l)), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}
