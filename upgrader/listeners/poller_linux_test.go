package listeners_test

import (
	"net"
	"testing"

	"relevo/internal/testproc"
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
	inode, err := testproc.Inode(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "a=127.0.0.1:0", "b=unix:"+testproc.SocketPath(t), "c=udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	set.Reassert()
	polled, err := testproc.Polled()
	if err != nil {
		t.Fatal(err)
	}
	if !polled[inode] {
		t.Fatal("an ordinary listener is not seen as polled: this test proves nothing")
	}
	for _, l := range opened {
		inode, err := testproc.Inode(l.File())
		if err != nil {
			t.Fatal(err)
		}
		if polled[inode] {
			t.Errorf("listener %s is polled", l.Name)
		}
	}
}
