package generations

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/capture"
	"relevo/internal/config"
	"relevo/internal/testport"
	"relevo/pool"
)

// capturingBench has a generation whose programs get sockets for what they bind.
func capturingBench(t *testing.T, balance config.Balance, listen ...string) (*bench, *Generation) {
	t.Helper()
	b := newBench(t, listen...)
	b.app.Capture, b.app.Balance = config.CaptureAuto, balance
	g := b.prepare(t, b.app)
	b.Begin(g)
	return b, g
}

type protocol struct{ kind, protocol int }

var (
	tcp   = protocol{syscall.SOCK_STREAM, syscall.IPPROTO_TCP}
	udp   = protocol{syscall.SOCK_DGRAM, syscall.IPPROTO_UDP}
	local = protocol{syscall.SOCK_STREAM, 0}
)

// binds has a worker bind an address.
func binds(g *Generation, o pool.Order, address string, of protocol) (capture.Answer, string, error) {
	b := bindOf(address, of.kind, of.protocol)
	b.PID = os.Getpid()
	b.Maker.UID, b.Maker.GID = os.Geteuid(), os.Getegid()
	b.Maker.Groups, _ = os.Getgroups()
	grant := g.capturing.Bind(o, b)
	return grant.Answer, grant.Address, grant.Refused
}

var first, second = pool.Order{ID: "1", Slot: 0, Generation: 1}, pool.Order{ID: "2", Slot: 1, Generation: 1}

// TestCapturedShared: all workers that bind an address get one socket, which goes to the next
// generation as one that the configuration does not name.
func TestCapturedShared(t *testing.T) {
	t.Parallel()
	b, g := capturingBench(t, config.BalanceShared)
	if g.capturing.Expected() {
		t.Error("binds are expected before there was one")
	}
	one, address, err := binds(g, first, "127.0.0.1:0", tcp)
	two, same, err2 := binds(g, second, "127.0.0.1:0", tcp)
	if err != nil || err2 != nil || address == "" || address != same || one.FD < 0 || two.FD < 0 {
		t.Fatalf("%+v at %s, %v; %+v at %s, %v", one, address, err, two, same, err2)
	}
	bound := g.Bound()
	if len(bound) != 1 || !bound[0].Captured || bound[0].Address != address || bound[0].Name != "any-port-127-0-0-1" {
		t.Errorf("bound: %+v", bound)
	}
	if !g.capturing.Expected() || len(b.o.Sockets.Wanted()) != 1 {
		t.Error("the bind is forgotten")
	}
	next := b.prepare(t, b.app)
	if !next.capturing.Expected() || next.capturing.first {
		t.Error("the next generation does not expect binds")
	}
	g.capturing.Serve(first)
	if err := g.capturing.Accepted(t.Context(), first); err != nil {
		t.Error(err)
	}
	if len(g.capturing.Ports(first)) != 0 || g.capturing.Others(first) || !g.capturing.Emptied(first) {
		t.Error("a worker that shares a socket has one of its own")
	}
	g.capturing.Leave(first)
	g.capturing.Gone(first)
	if !accepts(address) {
		t.Error("the socket closed with one of its workers")
	}
	if hints := g.Hints(); hints != nil {
		t.Errorf("hints: %q", hints)
	}
}

// TestCapturedEven: each worker gets a socket of its own, where the kernel has that.
func TestCapturedEven(t *testing.T) {
	t.Parallel()
	_, g := capturingBench(t, config.BalanceSticky)
	for _, o := range []pool.Order{first, second} {
		if answer, _, err := binds(g, o, "127.0.0.1:0", tcp); err != nil || answer.FD < 0 {
			t.Fatalf("%+v, %v", answer, err)
		}
		g.capturing.Serve(o)
	}
	share := 0.1
	g.Try(Trial{Share: &share})
	canary := pool.Order{ID: "3", Slot: 0, Generation: 1, Canary: true}
	if _, _, err := binds(g, canary, "127.0.0.1:0", tcp); err != nil {
		t.Fatal(err)
	}
	g.capturing.Serve(canary)
	g.capturing.Admit(canary)
	if share, _ := g.CanaryShare("3"); share != "10%" {
		t.Errorf("the canary's share: %s", share)
	}
	g.capturing.Leave(first)
	g.capturing.Gone(first)
	if !accepts(g.Bound()[0].Address) {
		t.Error("the others do not serve on")
	}
}

// TestCapturedListener: the listener of the configuration counts where a program binds its
// port, however it spells the address; another address is served beside it.
func TestCapturedListener(t *testing.T) {
	t.Parallel()
	_, g := capturingBench(t, config.BalanceSticky, "web=127.0.0.1:0")
	own := g.Bound()[0].Address
	anywhere := strings.Replace(own, "127.0.0.1", "0.0.0.0", 1)
	_, address, err := binds(g, first, anywhere, tcp)
	if err != nil || address != own {
		t.Errorf("at %s, want %s: %v", address, own, err)
	}
	g.capturing.Serve(first)
	if _, address, err = binds(g, first, "127.0.0.2:0", tcp); err != nil || address == own {
		t.Errorf("another address: %s, %v", address, err)
	}
	if _, address, err = binds(g, first, "127.0.0.1:0", udp); err != nil || address == "" {
		t.Errorf("UDP: %s, %v", address, err)
	}
	if bound := g.Bound(); len(bound) != 3 || bound[0].Captured || !bound[1].Captured {
		t.Errorf("%+v", bound)
	}
}

// TestCapturedIPv4Alone: a release that binds 0.0.0.0 where the serving one has bound [::] gets
// that socket. One of its own would have all clients of IPv4 before the release is ready.
func TestCapturedIPv4Alone(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(testport.Free(t))
	b, g := capturingBench(t, config.BalanceEven)
	_, dual, err := binds(g, first, "[::]:"+port, tcp)
	if err != nil || dual == "" {
		t.Fatalf("at %q: %v", dual, err)
	}
	next := b.prepare(t, b.app)
	if _, address, err := binds(next, second, "0.0.0.0:"+port, tcp); err != nil || address != dual {
		t.Errorf("0.0.0.0 is %q, want %q: %v", address, dual, err)
	}
}

// TestTakesListener: a program that takes the listener instead of binding is told that even
// and sticky have no effect, once.
func TestTakesListener(t *testing.T) {
	t.Parallel()
	for balance, want := range map[config.Balance]int{
		config.BalanceAuto: 0, config.BalanceShared: 0, config.BalanceEven: 1, config.BalanceSticky: 1,
	} {
		_, g := capturingBench(t, balance, "web=127.0.0.1:0")
		var log strings.Builder
		g.capturing.log = slog.New(slog.NewTextHandler(&log, nil))
		g.capturing.Serve(first)
		g.capturing.Serve(second)
		if got := strings.Count(log.String(), "although balance is "+string(balance)); got != want {
			t.Errorf("%s: told %d times, want %d:\n%s", balance, got, want, log.String())
		}
	}
}

// TestCapturedRefused: a bind that is no server's, or that cannot be answered, is the program's
// own affair.
func TestCapturedRefused(t *testing.T) {
	t.Parallel()
	_, g := capturingBench(t, config.BalanceShared)
	answer, _, err := binds(g, first, "224.0.0.251:5353", udp)
	if err != nil || answer != capture.LetThrough() {
		t.Errorf("multicast: %+v, %v", answer, err)
	}
	_, other := capturingBench(t, config.BalanceShared, "127.0.0.1:0")
	taken := other.Bound()[0].Address
	if answer, _, err = binds(g, first, taken, tcp); err == nil ||
		answer != capture.LetThrough() || !strings.Contains(err.Error(), "cannot") {
		t.Errorf("an address of another program: %+v, %v", answer, err)
	}
	b := bindOf("127.0.0.1:0", tcp.kind, tcp.protocol)
	for i := range maxCaptured {
		b.Index = i
		if grant := g.capturing.Bind(first, b); grant.Refused != nil {
			t.Fatal(grant.Refused)
		}
	}
	b.Index = maxCaptured
	if grant := g.capturing.Bind(first, b); grant.Refused == nil {
		t.Error("one program gets sockets without end")
	}
}

// TestCapturedUnix: the private socket of a worker goes with it.
func TestCapturedUnix(t *testing.T) {
	t.Parallel()
	b, g := capturingBench(t, config.BalanceEven)
	path := filepath.Join(t.TempDir(), "app.sock")
	if _, address, err := binds(g, first, "unix:"+path, local); err != nil || address != path {
		t.Fatalf("at %s, %v", address, err)
	}
	os.Remove(path)
	g.capturing.Gone(first)
	if len(g.Bound()) != 0 || len(b.o.Sockets.Wanted()) != 0 {
		t.Errorf("a socket that nobody has is kept: %+v", g.Bound())
	}
}

// TestPrivileged says how to get a port that the user of a program may not bind.
func TestPrivileged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"127.0.0.1:80", "udp:127.0.0.1:80"} {
		err := privileged(listens(t, text)[0], 80)
		if !strings.Contains(err.Error(), "cannot open port 80") || !errors.Is(err, syscall.EACCES) {
			t.Errorf("%v", err)
		}
	}
}

// TestTrial: how a canary is tried may be said with the roll.
func TestTrial(t *testing.T) {
	t.Parallel()
	app := config.Default()
	for _, test := range []struct{ canary, share, want string }{
		{"", "", ""}, {"3s", "10%", ""}, {"-3s", "", "negative"}, {"soon", "", "soon"}, {"", "200%", "200%"},
		{"0s", "10%", "canary"},
	} {
		trial, err := ParseTrial(test.canary, test.share)
		if err == nil {
			err = trial.Fits(app)
		}
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q %q: %v, want %q", test.canary, test.share, err, test.want)
		}
	}
}
