package upgrader_test

import (
	"net"
	"os"
	"strings"
	"testing"
)

// The sockets are not in the epoll set of the runtime: a client that connects
// does not wake the master.
func TestNotPolled(t *testing.T) {
	ordinary, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ordinary.Close()
	file, err := ordinary.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	inode, err := inodeOf(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	u, _ := newUpgrader(t)
	listeners, err := u.Listen(wanted(t, "a=127.0.0.1:0", "b=unix:"+socketPath(t), "c=udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	u.Reassert()
	polled, err := polledInodes()
	if err != nil {
		t.Fatal(err)
	}
	if !polled[inode] {
		t.Fatal("an ordinary listener is not seen as polled: this test shows nothing")
	}
	for _, l := range listeners {
		inode, err := inodeOf(l.File())
		if err != nil {
			t.Fatal(err)
		}
		if polled[inode] {
			t.Errorf("listener %s is polled", l.Name)
		}
	}
}

// The same with tableflip's own copies, in a process of its own: it allows one
// table a process.
func TestNotPolledByTableflip(t *testing.T) {
	m := spawn(t, "master", nil, socketPath(t))
	for _, name := range []string{"a", "b", "c"} {
		fields := strings.Fields(m.line())
		// Two copies: the listener and the carrier's.
		if len(fields) != 4 || fields[0] != name || fields[2] != "2" || fields[3] != "false" {
			t.Fatalf("the master says %q, want %s, its address, 2 copies, not polled", fields, name)
		}
	}
}

// Close gives the sockets back also where tableflip holds copies: the Unix socket
// is removed and a client is refused.
func TestCloseWithTableflip(t *testing.T) {
	path := socketPath(t)
	m := spawn(t, "master", nil, path)
	for range 3 {
		m.line()
	}
	m.in.Close()
	if err := m.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("%s is left", path)
	}
}
