package prove

import (
	"context"
	"encoding/binary"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
	"relevo/internal/testreq"
)

// pairs opens connections within this process, of every kind that the machine has, and returns both
// ends of each.
func pairs(t *testing.T) (ends []net.Conn) {
	t.Helper()
	for _, at := range [][2]string{{"tcp4", "127.0.0.1:0"}, {"tcp", "[::]:0"}, {"tcp6", "[::1]:0"},
		{"unix", filepath.Join(t.TempDir(), "s")}} {
		l, err := net.Listen(at[0], at[1])
		if err != nil {
			t.Logf("without %s: %v", at[0], err)
			continue
		}
		defer l.Close()
		client, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close(); server.Close() })
		ends = append(ends, client, server)
	}
	return ends
}

func TestHoldingsFindsEveryPeer(t *testing.T) {
	ends := pairs(t)
	for _, network := range []string{"tcp", "unix"} {
		found, err := holdings(network, os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range ends {
			if end.LocalAddr().Network() != network {
				continue
			}
			// Both ends are here, so each is the peer of a socket of ours.
			if _, ok := found[peerOf(end)]; !ok {
				t.Errorf("%s %v is not among %v", network, end.LocalAddr(), found)
			}
		}
	}
}

// TestProcAgreesWithDiag compares the two sources of the same facts.
func TestProcAgreesWithDiag(t *testing.T) {
	pairs(t)
	inodes := make(map[uint64]struct{})
	if err := socketInodes(os.Getpid(), inodes); err != nil {
		t.Fatal(err)
	}
	byDiag, byProc := make(map[peer]struct{}), make(map[peer]struct{})
	if err := diagTCP(inodes, byDiag); err != nil {
		testreq.Missing(t, "no socket diagnosis: "+err.Error())
	}
	if err := procTCP(os.Getpid(), inodes, byProc); err != nil {
		t.Fatal(err)
	}
	// /proc lists a listener with a peer: none.
	maps.DeleteFunc(byProc, func(p peer, _ struct{}) bool { return p.addr.Port() == 0 })
	if !maps.Equal(byDiag, byProc) || len(byDiag) < 2 {
		t.Errorf("socket diagnosis: %v\n/proc: %v", byDiag, byProc)
	}
}

func TestInetPeer(t *testing.T) {
	for family, want := range map[byte]string{unix.AF_INET: "127.0.0.1:8080", unix.AF_INET6: "[::1]:8080"} {
		m := make([]byte, inetSize)
		m[0] = family
		binary.BigEndian.PutUint16(m[inetPeerPort:], 8080)
		binary.NativeEndian.PutUint32(m[inetInode:], 4711)
		if family == unix.AF_INET6 {
			m[inetPeerAddr+15] = 1
		} else {
			copy(m[inetPeerAddr:], []byte{127, 0, 0, 1})
		}
		if inode, p, ok := inetPeer(m); !ok || inode != 4711 || p.addr != netip.MustParseAddrPort(want) {
			t.Errorf("%d, %v, want %s", inode, p.addr, want)
		}
		if family == unix.AF_INET6 {
			copy(m[inetPeerAddr+10:], []byte{255, 255, 127, 0, 0, 1})
			if _, p, _ := inetPeer(m); p.addr != netip.MustParseAddrPort("127.0.0.1:8080") {
				t.Errorf("a mapped address is %v", p.addr)
			}
		}
		if _, _, ok := inetPeer(m[1:]); ok {
			t.Error("understood a message that is cut short")
		}
	}
}

func TestParseProcAddr(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"0000000000000000FFFF00000100007F:0050": "127.0.0.1:80",
		"00000000000000000000000001000000:0050": "[::1]:80",
	} {
		if got, ok := parseProcAddr(text); !ok || got != netip.MustParseAddrPort(want) {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "0100007F", "01007F:1", "0100007G:1F90", "0100007F:12345"} {
		if got, ok := parseProcAddr(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestAwaitStopped uses a shell with a child that holds a socket: a process that
// is stopped while its child is not.
func TestAwaitStopped(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := os.NewFile(uintptr(fds[0]), "theirs"), os.NewFile(uintptr(fds[1]), "ours")
	defer ours.Close()
	cmd := exec.Command(testreq.Program(t, "sh"), "-c", "cat <&3 >/dev/null & echo; wait")
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if len(procfs.Tree(pid)) != 2 {
		testreq.Missing(t, "this kernel does not list children")
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := awaitStopped(short, pid); err == nil {
		t.Error("a process that runs counts as stopped")
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	if err := awaitStopped(t.Context(), pid); err == nil {
		t.Error("the child still runs, but counts as stopped")
	}
	_ = syscall.Kill(-pid, syscall.SIGSTOP)
	if err := awaitStopped(t.Context(), pid); err != nil {
		t.Error(err)
	}
	inodes := make(map[uint64]struct{})
	if err := socketInodes(pid, inodes); err != nil || len(inodes) != 1 {
		t.Errorf("sockets of the shell: %v, %v", inodes, err)
	}
}

func TestAwaitStoppedOfDeadProcess(t *testing.T) {
	cmd := exec.Command(testreq.Program(t, "true"))
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := awaitStopped(t.Context(), cmd.Process.Pid); err == nil {
		t.Error("a process that has ended counts as stopped")
	}
	if _, err := openHandle(cmd.Process.Pid); err == nil {
		t.Error("a process that has ended has a pidfd")
	}
}

// TestOutOfPorts: a request that finds no free port on the prover's machine is not a loss.
func TestOutOfPorts(t *testing.T) {
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) })
	const clients = 3 * loopbackSources
	l, err := prepare(Options{URL: s.url(), Clients: clients, Connections: KeepAlive, Duration: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr().String())
	only := 40000 // one port for every source address
	if port == "40000" {
		only++
	}
	var failed error
	l.endpoint.control = func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, only<<16|only); err != nil {
			failed = err
		}
	}
	r, err := l.run(t.Context())
	if failed != nil {
		testreq.Missing(t, "IP_LOCAL_PORT_RANGE: "+failed.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, r)
	// The first request, before the load, may have used one of them up.
	if n := r.Total.Connections; r.Lost() > 0 || r.Total.LocalPorts == 0 || n > loopbackSources || n < loopbackSources-1 {
		t.Errorf("lost %+v, out of ports %d, connections %d", r.Total.Lost, r.Total.LocalPorts, r.Total.Connections)
	}
}
