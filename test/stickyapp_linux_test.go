package test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"relevo/internal/config"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

var stickyClients = flag.Int("clients", 100, "how many clients the tests of sticky balance have")

// fetchAs sends a request as one of many clients, each with an address of its own on the loopback.
func fetchAs(ctx context.Context, client int, address string) (string, error) {
	local := netip.AddrFrom4([4]byte{127, byte(1 + client>>16), byte(client >> 8), byte(client)})
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Transport: transport, Timeout: tooLong}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// slotsOf returns the slot that serves each of the clients.
func slotsOf(t *testing.T, address string) (slots []string) {
	t.Helper()
	for client := range *stickyClients {
		said, err := fetchAs(t.Context(), client, address)
		fields := strings.Fields(said) // version 1 slot 2 …
		if err != nil || len(fields) < 4 {
			t.Fatalf("client %d: %q, %v", client, said, err)
		}
		slots = append(slots, fields[3])
	}
	return slots
}

func wantSameSlots(t *testing.T, when string, before, now []string) {
	t.Helper()
	if n := movedClients(before, now); n > 0 {
		t.Errorf("%s: %d of %d clients have another slot", when, n, len(before))
	}
}

func movedClients(before, now []string) (n int) {
	for i := range before {
		if before[i] != now[i] {
			n++
		}
	}
	return n
}

// TestStickyApp: clients keep their slots during rolls, successions, and the death of a worker. One
// more worker takes its share of the clients, and no other client moves.
func TestStickyApp(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := capturedSite(t, "--balance", "sticky")
	s.settled(4)
	listener := s.status().Listeners[0]
	if _, said := s.relevo("status", "site"); listener.Balance != config.BalanceSticky ||
		!strings.Contains(said, "(captured, sticky)") {
		t.Errorf("balance %q, status: %s", listener.Balance, said)
	}
	s.warnsOfOneClient(t, listener.Address)
	before := slotsOf(t, listener.Address)
	if n := len(slices.Compact(slices.Sorted(slices.Values(before)))); n != 4 {
		t.Errorf("%d slots serve %d clients", n, len(before))
	}
	for roll := range 3 {
		s.release(fmt.Sprint(2+roll), "binds")
		if code, said := s.relevo("reload", "site"); code != 0 {
			t.Fatalf("reload: %d %s", code, said)
		}
		s.settled(4)
		wantSameSlots(t, fmt.Sprintf("roll %d", roll+1), before, slotsOf(t, listener.Address))
	}
	s.upgrade()
	wantSameSlots(t, "the next master", before, slotsOf(t, listener.Address))
	if code, said := s.relevo("signal", "site", "--slot", "1", "KILL"); code != 0 {
		t.Fatalf("signal: %d %s", code, said)
	}
	s.await("another worker in slot 1", func() bool { return s.inSlot(1).Respawns == 1 })
	s.settled(4)
	wantSameSlots(t, "after a death", before, slotsOf(t, listener.Address))
	if code, said := s.relevo("scale", "site", "5"); code != 0 {
		t.Fatalf("scale: %d %s", code, said)
	}
	s.settled(5)
	now := slotsOf(t, listener.Address)
	for client := range now {
		if now[client] != before[client] && now[client] != "4" {
			t.Fatalf("a client of slot %s is now at slot %s", before[client], now[client])
		}
	}
	n := movedClients(before, now)
	t.Logf("from 4 to 5 workers %d of %d clients move", n, len(now))
	if n == 0 || n*10 > len(now)*4 || len(now) >= 1000 && n*10 > len(now)*3 {
		t.Errorf("%d of %d clients move to the fifth worker", n, len(now))
	}
	s.stop()
}

// warnsOfOneClient checks that status warns if all connections come from one address.
func (s *site) warnsOfOneClient(t *testing.T, address string) {
	t.Helper()
	for range 200 { // a client may have used the port a moment ago
		conn, err := net.Dial("tcp", address)
		s.must(err)
		defer conn.Close()
	}
	if said := strings.Join(s.status().Warnings, "\n"); !strings.Contains(said,
		"come from 127.0.0.1: behind a proxy all clients are one") {
		t.Errorf("warnings: %q", said)
	}
}

// TestStickyUpheavals: successions and rolls under the load of many clients.
func TestStickyUpheavals(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := capturedSite(t, "--balance", "sticky", "--upgrade", how)
			before := s.settled(4)
			end := loadOfMany(t, s.status().Listeners[0].Address)
			for range *upheavals {
				s.upgrade()
			}
			if after := s.settled(4); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
			s.release("2", "binds")
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("reload: %d %s", code, said)
			}
			s.settled(4)
			end()
			s.stop()
		})
	}
}

// loadOfMany makes clients with many addresses send requests without pauses or retries. Its end
// checks that no client lost a request or was served by another slot than before.
func loadOfMany(t *testing.T, address string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var sent, lost, moved atomic.Int64
	var clients sync.WaitGroup
	const askers = 4
	for asker := range askers {
		clients.Go(func() {
			slots := map[int]string{}
			for client := asker; ctx.Err() == nil; client = (client + askers) % (16 * askers) {
				said, err := fetchAs(context.Background(), client, address)
				fields := strings.Fields(said)
				if sent.Add(1); err != nil || len(fields) < 4 {
					lost.Add(1)
					t.Errorf("client %d lost a request: %q, %v", client, said, err)
					continue
				}
				if slots[client] != "" && slots[client] != fields[3] {
					moved.Add(1)
				}
				slots[client] = fields[3]
			}
		})
	}
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			clients.Wait()
			if t.Logf("%d requests of 64 clients, %d lost, %d moved", sent.Load(), lost.Load(), moved.Load()); moved.Load() > 0 {
				t.Errorf("%d clients were served by another slot", moved.Load())
			}
		})
	}
	t.Cleanup(end)
	return end
}

// TestStickyNode: when a Node worker leaves, its connections are handed to the next worker in its
// slot, so clients with open connections stay at their slot.
func TestStickyNode(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Program(t, "node")
	s := emptySite(t)
	port := strings.TrimPrefix(testport.Address(t), "127.0.0.1:")
	s.must(os.WriteFile(s.at("app.js"),
		[]byte("require('http').createServer((q, r) => r.end(`slot ${process.env.RELEVO_SLOT} pid ${process.pid}\n"+
			"`)).listen("+port+")\n"), 0o644))
	s.start("run", "--name", "site", "-n", "4", "--canary", "100ms", "--balance", "sticky", "--", "node", "app.js")
	s.await("the program to bind its port", func() bool { return len(s.status().Listeners) > 0 })
	s.settled(4)
	const clients = 16
	var kept [clients]*http.Client
	ask := func(client int) (slot, pid string) {
		response, err := kept[client].Get("http://127.0.0.1:" + port)
		s.must(err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		s.must(err)
		fields := strings.Fields(string(body))
		return fields[1], fields[3]
	}
	var slots, pids [clients]string
	for i := range kept {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(i+1))}}
		transport := &http.Transport{DialContext: dialer.DialContext}
		defer transport.CloseIdleConnections()
		kept[i] = &http.Client{Transport: transport, Timeout: tooLong}
		slots[i], pids[i] = ask(i)
	}
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.settled(4)
	for i := range kept {
		if slot, pid := ask(i); slot != slots[i] || pid == pids[i] {
			t.Errorf("client %d, of slot %s and pid %s, is served by slot %s, pid %s", i, slots[i], pids[i], slot, pid)
		}
	}
	s.stop()
}

// TestStickyCannotBe: if clients cannot stick to workers, the log says so.
func TestStickyCannotBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"UDP": {[]string{"binds-udp", "-n", "2", "--", "./app", testport.Address(t)},
			"although balance is sticky: that is for TCP only"},
		"Unix": {[]string{"binds-unix", "-n", "2", "--", "./app", "app.sock"},
			"although balance is sticky: that is for TCP only"},
		"one worker": {[]string{"binds", "-n", "1", "--", "./app", testport.Address(t)},
			"balance is sticky, and there is one worker"},
		"inherited": {[]string{"serve", "-n", "2", "-l", "127.0.0.1:0", "--", "./app"}, "and this one takes the listener"},
		"not capture": {[]string{"serve", "-n", "2", "-l", "127.0.0.1:0", "--capture", "off", "--", "./app"},
			"capture is off, and workers share"},
	} {
		t.Run(name, func(t *testing.T) {
			s := captured(t, c.args[0], append([]string{"--balance", "sticky"}, c.args[1:]...)...)
			s.await("the report", func() bool { return strings.Contains(s.log.String(), c.want) })
			s.stop()
			if n := strings.Count(s.log.String(), c.want); n != 1 {
				t.Errorf("reported %d times", n)
			}
		})
	}
}
