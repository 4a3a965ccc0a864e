package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/procfs"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// captured starts workers of a release that binds its own address, and waits until the
// address is the master's.
func captured(t *testing.T, behaviour string, flags ...string) *site {
	t.Helper()
	s := emptySite(t)
	s.release("1", behaviour)
	s.start(append([]string{"run", "--name", "site", "--watch-binary=false", "--canary", "50ms"}, flags...)...)
	s.await("the address to be captured", func() bool { return len(s.status().Listeners) > 0 })
	return s
}

// wantAnswer waits for the answer of a release.
func (s *site) wantAnswer(version string, ask func() (string, error)) {
	s.t.Helper()
	s.await("an answer of release "+version, func() bool {
		said, err := ask()
		return err == nil && strings.Contains(said, "version "+version)
	})
}

// changes rolls, upgrades and kills, and asks for an answer after each.
func (s *site) changes(ask func() (string, error), behaviour string) {
	s.t.Helper()
	s.wantAnswer("1", ask)
	for _, version := range []string{"2", "3"} {
		s.release(version, behaviour)
		if code, said := s.relevo("reload", "site"); code != 0 {
			s.t.Fatalf("reload: %d %s", code, said)
		}
		s.settled(2)
		s.wantAnswer(version, ask)
		s.upgrade()
		for _, pid := range s.settled(2) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		s.await("others in the place of the killed", func() bool {
			return s.status().Workers[0].Respawns+s.status().Workers[1].Respawns > 0
		})
		s.settled(2)
		s.wantAnswer(version, ask)
	}
}

func (s *site) wantListener(want control.Listener) {
	s.t.Helper()
	got := s.status().Listeners
	if len(got) == 1 {
		got[0].Queue = nil
	}
	if len(got) != 1 || got[0] != want {
		s.t.Errorf("listeners %+v, want %+v", got, want)
	}
}

// TestCapturedUnix: programs remove the path of their socket, bind it, and remove it at their end.
// They share one socket, and clients find it at its path all the time.
func TestCapturedUnix(t *testing.T) {
	t.Parallel()
	s := captured(t, "binds-unix", "-n", "2", "--", "./app", "app.sock")
	path := filepath.Join(s.dir, "app.sock")
	s.wantListener(control.Listener{Name: "unix-app.sock", Address: path, Captured: true, Balance: config.BalanceShared})
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v; want the mode by the program's umask", info, err)
	}
	s.changes(func() (string, error) { return fetch(path, "/") }, "binds-unix")
	s.stop()
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// TestConfiguredUnixIsBound: the program binds the path that -l names.
func TestConfiguredUnixIsBound(t *testing.T) {
	t.Parallel()
	s := captured(t, "binds-unix", "-n", "2", "-l", "unix:app.sock,mode=0600", "--", "./app", "app.sock")
	path := filepath.Join(s.dir, "app.sock")
	s.await("the program to bind", func() bool { return s.status().Listeners[0].Balance == config.BalanceShared })
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want the mode of the listener", info, err)
	}
	s.changes(func() (string, error) { return fetch(path, "/") }, "binds-unix")
	s.stop()
}

// TestCapturedUDP: workers share the UDP socket that their program binds.
func TestCapturedUDP(t *testing.T) {
	t.Parallel()
	address := testport.Address(t)
	s := captured(t, "binds-udp", "-n", "2", "--balance", "even", "--", "./app", address)
	_, port, _ := net.SplitHostPort(address)
	s.wantListener(control.Listener{Name: "udp-" + port, Address: address, Captured: true, Balance: config.BalanceShared})
	s.changes(func() (string, error) { return ask(address) }, "binds-udp")
	if told := strings.Count(s.log.String(), "all workers share one socket, although balance is even"); told == 0 ||
		told > 3 {
		t.Errorf("told %d times, by three masters", told)
	}
	s.stop()
}

// ask sends a packet and returns the answer. A packet may be lost.
func ask(address string) (string, error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("which?")); err != nil {
		return "", err
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

// TestPortOfAnotherApp: relevo names the app that has the port.
func TestPortOfAnotherApp(t *testing.T) {
	t.Parallel()
	address := testport.Address(t)
	s := captured(t, "binds", "-n", "2", "--", "./app", address)
	for _, command := range [][]string{
		{"run", "--name", "other", "--ready", "delay=1m", "--", "./app", address}, // which it does not live to see
		{"run", "--name", "other", "-l", address, "--", "./app", address},
	} {
		code, said := s.relevo(command...)
		if code == 0 || !strings.Contains(said, "for app other: address already in use; app site has it") {
			t.Errorf("%q: exit code %d: %s", command, code, said)
		}
	}
	s.stop()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	holder := fmt.Sprintf("it is held by %s (pid %d)", procfs.Self.Name(), os.Getpid())
	if code, said := s.relevo("run", "--name", "other", "--ready", "delay=1m", "--", "./app", address); code == 0 ||
		!strings.Contains(said, holder) {
		t.Errorf("of a stranger: exit code %d: %s; want %q", code, said, holder)
	}
}

// TestPrivilegedPort: a program does not get a port that its user may not bind, and relevo says
// what to do.
func TestPrivilegedPort(t *testing.T) {
	t.Parallel()
	const port = 81
	start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if number, _ := strconv.Atoi(strings.TrimSpace(string(start))); err == nil && number <= port {
		testreq.Missing(t, "every user may bind this port here")
	}
	s := emptySite(t)
	s.release("1", "binds")
	flags, want := []string{"run", "--name", "site", "--ready", "delay=1m"}, "CAP_NET_BIND_SERVICE"
	if os.Geteuid() == 0 {
		flags, want = append(flags, "--user", "nobody"), fmt.Sprintf("with -l :%d relevo opens it", port)
		if err := os.Chmod(s.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	code, said := s.relevo(append(flags, "--", "./app", fmt.Sprintf("127.0.0.1:%d", port))...)
	if code == 0 || !strings.Contains(said, fmt.Sprintf("cannot open port %d for a program whose user may not", port)) ||
		!strings.Contains(said, want) {
		t.Errorf("exit code %d: %s; want %q", code, said, want)
	}
}

// TestOtherAddress: a program binds another address than the listener's. Both are served, and
// relevo says so once.
func TestOtherAddress(t *testing.T) {
	t.Parallel()
	other := testport.Address(t)
	s := captured(t, "binds", "-n", "2", "-l", "127.0.0.1:0", "--", "./app", other)
	s.wantAnswer("1", func() (string, error) { return fetch(other, "/") })
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.settled(2)
	s.stop()
	if told := strings.Count(s.log.String(), "binds an address that no listener names"); told != 1 {
		t.Errorf("told %d times", told)
	}
}

// TestHostileBinds: whatever a worker does with bind and with the sockets that it gets for it, it
// harms no other worker.
func TestHostileBinds(t *testing.T) {
	takesLong(t)
	t.Parallel()
	address, other := testport.Address(t), testport.Address(t)
	_, port, _ := net.SplitHostPort(other)
	s := captured(t, "binds", "-n", "2", "--", "./app", address)
	s.settled(2)
	victim := s.inSlot(1)
	misbind := func(how string) (said string) {
		s.await("the worker to "+how, func() bool { // one of the two answers
			answer, _ := fetch(address, "/misbind?not="+strconv.Itoa(victim.PID)+"&how="+how+"&port="+port)
			said = strings.TrimSpace(answer)
			return said != "not me"
		})
		return said
	}
	for _, how := range []string{"flood", "flip", "die"} {
		misbind(how)
		s.settled(2)
		s.wantAnswer("1", func() (string, error) { return fetch(address, "/") })
	}
	if child, err := strconv.Atoi(misbind("fork")); err == nil {
		defer syscall.Kill(child, syscall.SIGKILL)
	}
	misbind("shutdown") // it wants no more clients, and gets none
	syscall.Kill(s.inSlot(0).PID, syscall.SIGKILL)
	s.await("another worker in its place", func() bool { return s.inSlot(0).Respawns >= 2 })
	s.settled(2)
	if now := s.inSlot(1); now.PID != victim.PID {
		t.Errorf("the other worker, pid %d, has become pid %d", victim.PID, now.PID)
	}
	if n := len(s.status().Listeners); n > 100 {
		t.Errorf("%d listeners", n)
	}
	end := s.load()
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Errorf("reload: %d %s", code, said)
	}
	if report := end(); report.Fresh.Lost.Total() > 0 {
		t.Errorf("lost: %+v", report.Samples)
	}
	s.stop()
}

// TestSharedWhereEvenCannotBe: workers share a socket of the service manager's that has no
// SO_REUSEPORT. The log says so once, and status as long as it is so.
func TestSharedWhereEvenCannotBe(t *testing.T) {
	t.Parallel()
	address := testport.Address(t)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := emptySite(t)
	s.release("1", "binds")
	s.master = s.command("run", "--name", "site", "--watch-binary=false", "-n", "2", "-l", address, "--", "./app", address)
	s.master.Path, s.master.Args = "/bin/sh", append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`},
		s.master.Args...)
	s.master.ExtraFiles = []*os.File{file}
	s.begin()
	s.serves()
	s.wantAnswer("1", func() (string, error) { return fetch(address, "/") })
	s.await("status to say that it is shared", func() bool {
		_, said := s.relevo("status", "site")
		return strings.Contains(said, "="+address+" (shared)")
	})
	s.relevo("reload", "site")
	s.settled(2)
	s.stop()
	if told := strings.Count(s.log.String(), "all workers share one socket: clients are not spread evenly"); told != 1 {
		t.Errorf("told %d times", told)
	}
}

// TestPrivateSocket: a Unix socket that only one worker has bound, and whose path it has removed,
// is closed when the worker ends.
func TestPrivateSocket(t *testing.T) {
	t.Parallel()
	address := testport.Address(t)
	s := captured(t, "binds", "-n", "1", "--", "./app", address)
	pid := s.settled(1)[0]
	path := filepath.Join(s.dir, "private")
	if said, err := fetch(address, "/bind?network=unix&at="+path); err != nil || said != "" {
		t.Fatalf("the second bind: %q, %v", said, err)
	}
	if n := len(s.status().Listeners); n != 2 {
		t.Errorf("%d listeners", n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	s.await("the private socket to be gone", func() bool {
		left, _ := filepath.Glob(path + "*")
		return len(s.status().Listeners) == 1 && len(left) == 0
	})
	s.settled(1)
	s.wantAnswer("1", func() (string, error) { return fetch(address, "/") })
	s.stop()
}

// TestAddressWidens: a release that binds all addresses follows one that bound localhost.
func TestAddressWidens(t *testing.T) {
	t.Parallel()
	_, port, _ := net.SplitHostPort(testport.Address(t))
	s := emptySite(t)
	s.release("1", "binds")
	configuration := "name = \"site\"\ncommand = [\"./app\", \"ADDRESS:" + port +
		"\"]\nworkers = 2\nwatch_binary = false\n"
	s.configure(strings.ReplaceAll(configuration, "ADDRESS", "127.0.0.1"))
	s.start("run")
	s.wantAnswer("1", func() (string, error) { return fetch("127.0.0.1:"+port, "/") })
	s.configure(strings.ReplaceAll(configuration, "ADDRESS", "0.0.0.0"))
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	for _, host := range []string{"127.0.0.2:", "127.0.0.1:"} {
		s.wantAnswer("1", func() (string, error) { return fetch(host+port, "/") })
	}
	s.stop()
}
