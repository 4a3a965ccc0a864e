package listeners_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testproc"
	"relevo/internal/testreq"
	"relevo/upgrader/listeners"
)

// openedSince lists what is open now and was not before. A file of an earlier test that was closed
// meanwhile does not hide another one.
func openedSince(t *testing.T, before map[string]bool) (opened []string) {
	t.Helper()
	for what := range whatIsOpen(t) {
		if !before[what] {
			opened = append(opened, what)
		}
	}
	return opened
}

// whatIsOpen names each open file with its descriptor. Sockets are named by their inodes.
func whatIsOpen(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil { // not that of the look itself
			all[entry.Name()+" "+target] = true
		}
	}
	return all
}

// All or nothing: a failure closes what was already open.
func TestFailureLeavesNothing(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	path := testproc.SocketPath(t)
	set, c := newSet(t)
	before := whatIsOpen(t)
	opened, err := set.Listen(wanted(t, "a=127.0.0.1:0", "b=unix:"+path, "c=udp:127.0.0.1:0", "d="+busy.Addr().String()))
	if err == nil || len(opened)+len(set.Listeners()) > 0 {
		t.Fatalf("listeners %v, error %v", opened, err)
	}
	if opened := openedSince(t, before); len(opened) > 0 {
		t.Errorf("files are left open: %q", opened)
	}
	if len(c.files) > 0 {
		t.Errorf("the store keeps %d files", len(c.files))
	}
	if exists(path) {
		t.Error("the Unix socket is left")
	}
	if _, err := set.Listen(wanted(t, "a=127.0.0.1:0", "b=unix:"+path)); err != nil {
		t.Errorf("the second try: %v", err)
	}
}

// The error names the process that has the address.
func TestInUse(t *testing.T) {
	needIPv6(t)
	tests := []struct{ network, holds, wants string }{
		{"tcp", "127.0.0.1:0", "127.0.0.1:PORT"},
		{"tcp", "127.0.0.1:0", "localhost:PORT"},
		{"tcp", "127.0.0.1:0", ":PORT"},
		{"tcp", ":0", "127.0.0.1:PORT"},
		{"tcp", "[::1]:0", "tcp6:[::1]:PORT"},
		{"udp", "127.0.0.1:0", "udp:127.0.0.1:PORT"},
	}
	for _, test := range tests {
		t.Run(test.network+" "+test.holds+" "+test.wants, func(t *testing.T) {
			holder := testproc.Spawn(t, "hold", nil, test.network, test.holds)
			_, port, err := net.SplitHostPort(holder.Line())
			if err != nil {
				t.Fatal(err)
			}
			wants := strings.Replace(test.wants, "PORT", port, 1)
			comm, _, _ := strings.Cut(filepath.Base(os.Args[0])+"               ", " ")
			err = refused(t, wants)
			wantContains(t, err, "cannot listen on "+wanted(t, wants)[0].String()+": address already in use; it is held by ",
				fmt.Sprintf("%.15s (pid %d)", comm, holder.Cmd.Process.Pid))
			if !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%v is not EADDRINUSE", err)
			}
		})
	}
}

// If two processes hold the port on different addresses, the error names the right one.
func TestInUseByTheRightOne(t *testing.T) {
	neighbour := testproc.Spawn(t, "hold", nil, "tcp", "127.0.0.2:0")
	_, port, err := net.SplitHostPort(neighbour.Line())
	if err != nil {
		t.Fatal(err)
	}
	holder := testproc.Spawn(t, "hold", nil, "tcp", "127.0.0.1:"+port)
	if line := holder.Line(); strings.HasPrefix(line, "error:") {
		testreq.Missing(t, "the port has just been taken by somebody else: "+line)
	}
	for address, c := range map[string]*testproc.Child{"127.0.0.1:": holder, "127.0.0.2:": neighbour} {
		wantContains(t, refused(t, address+port), fmt.Sprintf("(pid %d)", c.Cmd.Process.Pid))
	}
}

// A user who may not look into other processes is told how to find the process.
func TestInUseByAStranger(t *testing.T) {
	testreq.Root(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	line := testproc.Spawn(t, "nobody", nil, busy.Addr().String()).Line()
	wantContains(t, errors.New(line), "address already in use; find the process with: ss -ltnup")
}

func TestLowPort(t *testing.T) {
	testreq.Root(t)
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	first := strings.TrimSpace(string(text))
	if first == "0" || first == "1" {
		testreq.Missing(t, "every user may listen on every port here")
	}
	// Never bound: port 1 is refused to everybody but root.
	for _, listen := range []string{"127.0.0.1:1", "udp:127.0.0.1:1"} {
		line := testproc.Spawn(t, "nobody", nil, listen).Line()
		wantContains(t, errors.New(line), "cannot listen on "+listen+": permission denied; ports below "+first+" need root",
			"CAP_NET_BIND_SERVICE", "net.ipv4.ip_unprivileged_port_start")
	}
}

func TestAddressOfAnotherMachine(t *testing.T) {
	// TEST-NET-1 (RFC 5737) is nobody's.
	err := refused(t, "192.0.2.1:0")
	wantContains(t, err, "cannot listen on 192.0.2.1:0: no interface of this machine has that address")
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("%v is not EADDRNOTAVAIL", err)
	}
}

// What cannot be mended is told.
func TestReassertTells(t *testing.T) {
	var text bytes.Buffer
	set := listeners.New(listeners.Options{Log: slog.New(slog.NewTextHandler(&text, nil))})
	opened, err := set.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	set.Reassert()
	if text.Len() > 0 {
		t.Errorf("logged without a reason: %s", &text)
	}
	if err := opened[0].File().Close(); err != nil {
		t.Fatal(err)
	}
	set.Reassert()
	if line := text.String(); !strings.Contains(line, "listener is damaged") ||
		!strings.Contains(line, "listener=listen") {
		t.Errorf("logged: %s", line)
	}
	if err := set.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Close: %v", err)
	}
}
