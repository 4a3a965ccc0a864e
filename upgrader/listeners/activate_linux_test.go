package listeners_test

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
)

// lend opens a socket as systemd does. It returns its own descriptor of the socket, and the one that
// the service gets, which is non-blocking as with NonBlocking=yes.
func lend(t *testing.T, network, address string) (theirs syscall.Conn, fd int, bound string) {
	t.Helper()
	var conn syscall.Conn
	if strings.HasPrefix(network, "udp") {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		conn, bound = c.(*net.UDPConn), c.LocalAddr().String()
	} else {
		lc := net.ListenConfig{}
		lc.SetMultipathTCP(false) // as systemd does
		l, err := lc.Listen(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		conn, bound = l.(syscall.Conn), l.Addr().String()
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(own uintptr) {
		fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn, fd, bound
}

func TestActivate(t *testing.T) {
	path := testproc.SocketPath(t)
	for _, test := range []struct {
		name, network, address string
		want                   string // PORT stands for the port that was bound
		called                 string // the socket's name
	}{
		{"by address", "tcp4", "127.0.0.1:0", "web=127.0.0.1:PORT", "other"},
		{"localhost", "tcp4", "127.0.0.1:0", "web=localhost:PORT", "other"},
		{"all addresses", "tcp", ":0", "web=:PORT", "other"},
		{"all of IPv4", "tcp4", "0.0.0.0:0", "web=tcp4::PORT", "other"},
		{"all of IPv4 by its address", "tcp4", "0.0.0.0:0", "web=0.0.0.0:PORT", "other"},
		{"all of IPv6", "tcp6", "[::]:0", "web=tcp6::PORT", "other"},
		{"IPv6", "tcp6", "[::1]:0", "web=[0:0::1]:PORT", "other"},
		{"packets", "udp4", "127.0.0.1:0", "web=udp:127.0.0.1:PORT", "other"},
		{"path", "unix", path, "web=unix:" + path, "other"},
		{"by name", "tcp4", "127.0.0.1:0", "web=127.0.0.2:1", "web"},
		{"port 0 by name", "tcp4", "127.0.0.1:0", "web=127.0.0.1:0", "web"},
	} {
		t.Run(test.name, func(t *testing.T) {
			theirs, fd, bound := lend(t, test.network, test.address)
			_, port, _ := net.SplitHostPort(bound)
			set, _ := newSet(t)
			set.Activate([]listeners.Socket{{Name: test.called, FD: fd}})
			opened, err := set.Listen(wanted(t, strings.ReplaceAll(test.want, "PORT", port)))
			if err != nil {
				t.Fatal(err)
			}
			if l := opened[0]; l.Address != bound || l.Name != "web" || !sameSocket(t, theirs, l.File()) {
				t.Errorf("listener %s on %s, want web on %s", l.Name, l.Address, bound)
			}
		})
	}
}

// sameSocket says whether both are the same socket, and non-blocking.
func sameSocket(t *testing.T, theirs syscall.Conn, ours *os.File) bool {
	t.Helper()
	var a, b unix.Stat_t
	raw, err := theirs.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &a) })
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Fstat(int(ours.Fd()), &b); err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(ours.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0 && a.Ino == b.Ino && a.Dev == b.Dev
}

// Each of several sockets goes to the listener with its address, whatever its name is.
func TestActivateSeveral(t *testing.T) {
	set, _ := newSet(t)
	var sockets []listeners.Socket
	var bound []string
	for _, name := range []string{"b", "a"} {
		_, fd, address := lend(t, "tcp4", "127.0.0.1:0")
		sockets, bound = append(sockets, listeners.Socket{Name: name, FD: fd}), append(bound, address)
	}
	set.Activate(sockets)
	opened, err := set.Listen(wanted(t, "a="+bound[0], "b="+bound[1], "c=127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if opened[0].Address != bound[0] || opened[1].Address != bound[1] || names(opened) != "a b c" {
		t.Errorf("listeners %s on %s and %s, want a b c on %s", names(opened), opened[0].Address, opened[1].Address,
			bound)
	}
	if err := reaches("tcp", opened[2].Address); err != nil {
		t.Errorf("the listener for which systemd has no socket: %v", err)
	}
}

// A socket that no listener wants fails the start: its clients would wait forever.
func TestActivateUnclaimed(t *testing.T) {
	for name, test := range map[string]struct {
		network, address, called, want string
		parts                          []string
	}{
		"stranger": {"tcp4", "127.0.0.1:0", "admin", "web=127.0.0.2:81",
			[]string{`"admin" (127.0.0.1:`, "web=127.0.0.2:81"}},
		"other kind": {"udp4", "127.0.0.1:0", "web", "web=127.0.0.2:81",
			[]string{`"web" (udp:127.0.0.1:`, "web=127.0.0.2:81"}},
		"only IPv6": {"tcp6", "[::]:0", "x", "web=127.0.0.2:81", []string{`"x" ([::]:`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, fd, _ := lend(t, test.network, test.address)
			defer unix.Close(fd) // nobody took it
			set, _ := newSet(t)
			set.Activate([]listeners.Socket{{Name: test.called, FD: fd}})
			_, err := set.Listen(wanted(t, test.want))
			wantContains(t, err, append(test.parts, "cannot use the socket")...)
		})
	}
}

// A file, or a socket that does not listen, is not a listener.
func TestActivateOddDescriptors(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	null, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	for fd, want := range map[int]string{pair[0]: "does not listen", null: "is no socket"} {
		set, _ := newSet(t)
		set.Activate([]listeners.Socket{{Name: "web", FD: fd}})
		_, err := set.Listen(wanted(t, "web=127.0.0.1:0"))
		wantContains(t, err, want, `"web"`)
	}
}

// A socket of systemd's is unchanged when the master has ended: open, with its path, and open to
// clients.
func TestActivatedOutlives(t *testing.T) {
	path := testproc.SocketPath(t)
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": path} {
		t.Run(network, func(t *testing.T) {
			theirs, fd, bound := lend(t, network, address)
			set, _ := newSet(t)
			set.Activate([]listeners.Socket{{Name: "web", FD: fd}})
			want := "web=" + bound
			if network == "unix" {
				want = "web=unix:" + bound
			}
			opened, err := set.Listen(wanted(t, want))
			if err != nil {
				t.Fatal(err)
			}
			for _, do := range []func(*listeners.Listener) error{set.Retire, set.Park} {
				if err := do(opened[0]); err != nil {
					t.Fatal(err)
				}
			}
			if err := set.Close(); err != nil {
				t.Fatal(err)
			}
			client, err := net.DialTimeout(network, bound, tooLong)
			if err != nil {
				t.Fatalf("systemd's socket is closed to clients: %v", err)
			}
			defer client.Close()
			accepted, err := theirs.(net.Listener).Accept()
			if err != nil {
				t.Fatal(err)
			}
			accepted.Close()
		})
	}
}
