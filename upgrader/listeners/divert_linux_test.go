package listeners_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
)

// retirement keeps new clients out of a listener.
type retirement func(*listeners.Set, *listeners.Listener) error

// inBothWays runs a test with the method that Retire uses here, and with the decoy that it uses
// where a filter is not permitted.
func inBothWays(t *testing.T, name string, test func(*testing.T, retirement)) {
	t.Run(name, func(t *testing.T) { test(t, (*listeners.Set).Retire) })
	if !strings.HasPrefix(name, "unix:") {
		t.Run(name+", decoy", func(t *testing.T) { test(t, listeners.RetireByDecoy) })
	}
}

// withoutNetAdmin runs do without CAP_NET_ADMIN.
func withoutNetAdmin(t *testing.T, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before [2]unix.CapUserData
	if err := unix.Capget(&header, &before[0]); err != nil {
		t.Fatal(err)
	}
	less := before
	less[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &less[0]); err != nil {
		t.Fatal(err)
	}
	defer unix.Capset(&header, &before[0])
	do()
}

// TestRetireWithoutPrivilege: newer kernels require CAP_NET_ADMIN for a filter on TCP.
func TestRetireWithoutPrivilege(t *testing.T) {
	set, log := loggingSet(t)
	opened, err := set.Listen(wanted(t, "127.0.0.1:0", "udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	withoutNetAdmin(t, func() {
		for _, l := range opened {
			if err := set.Retire(l); err != nil {
				t.Error(err)
			}
		}
	})
	wantClosedToNew(t, opened[0])
	for _, l := range opened {
		if err := set.Restore(l); err != nil {
			t.Error(err)
		}
	}
	if err := reaches("tcp", opened[0].Address); err != nil {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", log)
	}
}

// wantClosedToNew: a new client gets no answer. Without the retirement it would connect at once.
func wantClosedToNew(t *testing.T, l *listeners.Listener) {
	t.Helper()
	if conn, err := net.DialTimeout("tcp", l.Address, 300*time.Millisecond); err == nil {
		conn.Close()
		t.Error("a new client gets in")
	}
}

// TestDecoyOfSuccessor: a decoy ends with its master, and the next master makes its own.
func TestDecoyOfSuccessor(t *testing.T) {
	old, _ := newSet(t)
	opened, err := old.Listen(wanted(t, ":0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := listeners.RetireByDecoy(old, opened[0]); err != nil {
		t.Fatal(err)
	}
	all, files := old.Legacy()
	set, err := listeners.TakeOver(listeners.Options{}, all, copies(files))
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	withoutNetAdmin(t, set.Begin)
	listeners.EndDecoy(opened[0])
	l := set.Listeners()[0]
	wantClosedToNew(t, l)
	if err := set.Restore(l); err != nil {
		t.Fatal(err)
	}
	if err := reaches("tcp", l.Address); err != nil {
		t.Error(err)
	}
}

// TestDecoyOfDeadMaster: the next master removes what a killed master has left on its socket.
func TestDecoyOfDeadMaster(t *testing.T) {
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := opened[0]
	if err := listeners.RetireByDecoy(set, l); err != nil {
		t.Fatal(err)
	}
	kept, err := unix.FcntlInt(l.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	listeners.EndDecoy(l) // as if its master was killed
	next, _ := newSet(t)
	next.Activate([]listeners.Socket{{Name: l.Name, FD: kept, Own: true}})
	if _, err := next.Listen(wanted(t, l.Name+"="+l.Address)); err != nil {
		t.Fatal(err)
	}
	if on, err := unix.GetsockoptInt(int(next.Listeners()[0].File().Fd()), unix.SOL_SOCKET,
		unix.SO_REUSEPORT); err != nil || on != 0 {
		t.Errorf("its address can be shared: %d, %v", on, err)
	}
	if err := reaches("tcp", l.Address); err != nil {
		t.Error(err)
	}
}

// TestRetireNotPossible: a socket of the service manager that shares its address with others stays
// open to clients. The log says so once.
func TestRetireNotPossible(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 10)); err != nil {
		t.Fatal(err)
	}
	set, log := loggingSet(t)
	set.Activate([]listeners.Socket{{Name: "web", FD: fd}})
	opened, err := set.Listen(wanted(t, "web=127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := opened[0]
	for range 2 {
		if err := listeners.RetireByDecoy(set, l); err != nil {
			t.Fatal(err)
		}
		if err := reaches("tcp", l.Address); err != nil {
			t.Error(err)
		}
		if err := set.Restore(l); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "takes new clients until its last worker has gone"); n != 1 {
		t.Errorf("logged %d times: %s", n, log)
	}
	if on, err := unix.GetsockoptInt(int(l.File().Fd()), unix.SOL_SOCKET, unix.SO_REUSEPORT); err != nil || on == 0 {
		t.Errorf("the service manager's option is gone: %d, %v", on, err)
	}
}

// TestDecoyIsNotPassedOn by workers.
func TestDecoyIsNotPassedOn(t *testing.T) {
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := opened[0]
	worker := testproc.Spawn(t, "accept", []*os.File{l.File()})
	worker.Line()
	if err := listeners.RetireByDecoy(set, l); err != nil {
		t.Fatal(err)
	}
	next := testproc.Spawn(t, "accept", []*os.File{l.File()})
	next.Line()
	listeners.EndDecoy(l)
	wantServed(t, "tcp", l.Address) // a copy of the decoy would keep dropping clients
}
