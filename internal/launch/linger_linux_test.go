package launch

import (
	"bytes"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/ipc"
	"relevo/pool"
)

// sendsLingering sends, on request, a socket on its channel whose close waits until the peer at
// ADDRESS reads. Then it dies.
var sendsLingering = behaves("ipc-lingers", func() {
	channel := openChannel()
	channel.Read(make([]byte, 100))
	channel.Write(bytes.Repeat([]byte("1\n"), 8000)) // more than one read takes: the rest is read after its death
	conn, err := net.Dial("tcp", os.Getenv("ADDRESS"))
	if err != nil {
		os.Exit(9)
	}
	raw, _ := conn.(*net.TCPConn).SyscallConn()
	ipcRaw, _ := channel.SyscallConn()
	raw.Control(func(fd uintptr) {
		unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 3600})
		for buffer := make([]byte, 1<<20); ; {
			if _, err := unix.Write(int(fd), buffer); err != nil {
				break
			}
		}
		ipcRaw.Control(func(to uintptr) { err = unix.Sendmsg(int(to), []byte("1\n"), unix.UnixRights(int(fd)), nil, 0) })
	})
	if err != nil {
		os.Exit(8)
	}
	os.Exit(5) // now only the master has the descriptor
})

// TestExitWithLingeringDescriptor: a descriptor that a worker leaves in its channel does not delay
// the report of its end, even on a kernel that cannot refuse descriptors.
func TestExitWithLingeringDescriptor(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := newRig(t, "web").start(sendsLingering.command("ADDRESS=" + listener.Addr().String()))
	raw, err := w.Process.(*Process).ends.channel.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// SO_PASSRIGHTS; on, as before Linux 6.16
	raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, 83, 1) })
	if err := w.Send(ipc.App{Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	defer peer.(*net.TCPConn).SetLinger(0) // ends the hanging reader
	if exited := w.exit(); exited.Status.Code != 5 {
		t.Errorf("it ended with %+v", exited.Status)
	}
}

// TestSlowlyClosed: a worker whose descriptors close slowly is replaced; another process is named in
// the log.
func TestSlowlyClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	w := r.start(neverReady.command())
	expect[pool.Online](w)
	r.SlowlyClosed(ipc.Sender{PID: os.Getpid(), UID: 7})
	wantError(t, r.log.String(), "no worker sends descriptors that do not close", "uid=7")
	await(t, "the worker to be given up", func() bool {
		r.SlowlyClosed(ipc.Sender{PID: w.PID()}) // the worker may not be known to be online yet
		return len(w.reports) > 0
	})
	if hung := expect[pool.Hung](w); hung.Reason != "sends descriptors to the notify socket that do not close" {
		t.Errorf("hung: %q", hung.Reason)
	}
}
