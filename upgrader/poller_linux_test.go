package upgrader_test

import (
	"net"
	"testing"
)

// The sockets are not in the runtime's epoll set: a client that connects does not wake the master.
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
		t.Fatal("an ordinary listener is not seen as polled: this test proves nothing")
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
