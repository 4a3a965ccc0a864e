package seats_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"relevo/upgrader/listeners/seats"
)

var (
	clients     = flag.Int("clients", 200, "how many clients the tests of sticky sockets have")
	connections = flag.Int("connections", 2000, "how many connections the test of a trial makes")
)

// slotOf connects as one of many clients, each with its own address on the loopback, and returns
// the slot of the worker that answers: the last digit of its name.
func slotOf(t testing.TB, g *seats.Group, client int) string {
	t.Helper()
	local := netip.AddrFrom4([4]byte{127, byte(1 + client>>16), byte(client >> 8), byte(client)})
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), Timeout: tooLong}
	conn, err := dialer.DialContext(context.Background(),
		"tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(g.Address().Port()))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	name, err := io.ReadAll(conn)
	if err != nil || len(name) == 0 {
		t.Fatalf("%q, %v", name, err)
	}
	return string(name[len(name)-1:])
}

func slotsOf(t testing.TB, g *seats.Group) (all []string) {
	t.Helper()
	for client := range *clients {
		all = append(all, slotOf(t, g, client))
	}
	return all
}

// stuck makes a new worker serve a slot; its name ends with the slot. The returned function ends
// the worker.
func stuck(t *testing.T, g *seats.Group, generation, slot int) (gone func(*seats.Group)) {
	t.Helper()
	name := fmt.Sprintf("w%d-%d", generation, slot)
	s := serve(t, take(t, g, name, slot), name)
	must(t, g.Stick(name))
	must(t, g.Serve(name))
	return func(g *seats.Group) {
		must(t, g.Leave(name))
		s.close()
		must(t, g.Gone(name))
	}
}

// Clients of IPv4 and IPv6, on sockets of one family or both, keep their slots during rolls,
// after the death of a worker, and under the next master; an additional slot moves few of them.
func TestStickyClients(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0"} {
		t.Run(address, func(t *testing.T) {
			g, common := newGroup(t, address)
			var gone [4]func(*seats.Group)
			for slot := range 4 {
				gone[slot] = stuck(t, g, 1, slot)
			}
			if !g.Sticks() {
				t.Fatal("clients do not stick")
			}
			before := slotsOf(t, g)
			for generation := 2; generation <= 4; generation++ {
				for slot := range 4 {
					old := gone[slot]
					gone[slot] = stuck(t, g, generation, slot)
					old(g)
				}
				if now := slotsOf(t, g); !slices.Equal(now, before) {
					t.Errorf("roll %d: %d clients have moved", generation-1, differing(before, now))
				}
			}
			gone[2](g)
			for client, slot := range slotsOf(t, g) {
				if slot == "2" || slot != before[client] && before[client] != "2" {
					t.Fatalf("without slot 2, a client of slot %s is at %s", before[client], slot)
				}
			}
			legacy, files := g.Legacy()
			next, err := seats.TakeOver(common, legacy, files, options(t))
			must(t, err)
			stuck(t, next, 5, 2)
			if now := slotsOf(t, next); !slices.Equal(now, before) {
				t.Errorf("the next master: %d clients have moved", differing(before, now))
			}
			stuck(t, next, 5, 4)
			now := slotsOf(t, next)
			for client, slot := range now {
				if slot != before[client] && slot != "4" {
					t.Fatalf("the fifth slot moves a client from %s to %s", before[client], slot)
				}
			}
			if n := differing(before, now); n == 0 || n > *clients*3/10 {
				t.Errorf("%d of %d clients move to the fifth slot", n, *clients)
			}
		})
	}
}

func differing(a, b []string) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// A client of IPv6 sticks, too, whatever its port is.
func TestStickyIPv6(t *testing.T) {
	g, _ := newGroup(t, "[::]:0")
	for slot := range 4 {
		stuck(t, g, 1, slot)
	}
	first := ask(t, g, "::1")
	for range 50 {
		if again := ask(t, g, "::1"); again != first {
			t.Fatalf("%s and %s serve the same client", first, again)
		}
	}
}

// A worker on trial gets its part of the new connections, none if the trial is dark, and its full
// share when it is admitted.
func TestTrial(t *testing.T) {
	g, common := newGroup(t, "127.0.0.1:0")
	for slot := range 4 {
		name := fmt.Sprint("old-", slot)
		serve(t, take(t, g, name, slot), name)
		must(t, g.Serve(name))
	}
	canary := serve(t, take(t, g, "canary", 0), "canary")
	must(t, g.Try("canary", 0))
	for range 200 {
		ask(t, g, "127.0.0.1")
	}
	if n := canary.count(); n > 0 {
		t.Errorf("a dark canary has got %d connections", n)
	}
	must(t, g.Accepted(t.Context(), "canary"))
	// The kernel counts the connection before the server accepts it.
	eventually(t, "the server has counted the probe", func() bool { return canary.count() == 1 })
	legacy, files := g.Legacy()
	next, err := seats.TakeOver(common, legacy, files, options(t))
	must(t, err)
	must(t, next.Serve("old-0")) // attaches a new program
	for range 100 {
		ask(t, next, "127.0.0.1")
	}
	if n := canary.count(); n != 1 {
		t.Errorf("a dark canary has got %d connections in the next master", n-1)
	}
	must(t, g.Try("canary", 500))
	before := canary.count()
	for range *connections {
		ask(t, g, "127.0.0.1")
	}
	got, five := float64(canary.count()-before)/float64(*connections)*100, 5.0
	t.Logf("the canary has got %.2f %% of %d connections", got, *connections)
	if got < five-2.5 || got > five+2.5 || *connections >= 10000 && (got < five-1 || got > five+1) {
		t.Errorf("the canary has got %.2f %% of the connections", got)
	}
	must(t, g.Admit("canary"))
	before = canary.count()
	for range 200 {
		ask(t, g, "127.0.0.1")
	}
	if n := canary.count() - before; n < 10 {
		t.Errorf("the admitted canary has got %d of 200 connections", n)
	}
	must(t, g.Try("canary", 0))
	for slot := range 4 {
		must(t, g.Gone(fmt.Sprint("old-", slot)))
	}
	if got := ask(t, g, "127.0.0.1"); got != "canary" {
		t.Errorf("only the dark canary serves, and %s answers", got)
	}
}

// MainClient finds the address with the most connections, on sockets of both families.
func TestMainClient(t *testing.T) {
	for address, hosts := range addresses {
		t.Run(address, func(t *testing.T) {
			g, _ := newGroup(t, address)
			host := hosts[len(hosts)-1]
			const many = 100 // a client may have used the port a moment ago
			for range many {
				defer dial(t, g, host).Close()
			}
			want := netip.MustParseAddr(host)
			if want.Is4() {
				want = netip.AddrFrom4([4]byte{127, 0, 0, 1}) // whatever the test case says
			}
			if client, of, all := g.MainClient(); client != want || of < many || all < of {
				t.Errorf("%d of %d connections come from %s", of, all, client)
			}
		})
	}
}
