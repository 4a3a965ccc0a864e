package seats

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"testing"
)

// serving returns a stake for one seat of each slot. The index of a seat is its slot's number plus
// 1.
func serving(slots ...int) (all []stake) {
	for _, slot := range slots {
		all = append(all, stake{index: slot + 1, id: slot + 1, slot: slot})
	}
	return all
}

// moved counts the buckets that differ, by the member that had them before.
func moved(before, after []int) map[int]int {
	from := map[int]int{}
	for i := range before {
		if before[i] != after[i] {
			from[before[i]]++
		}
	}
	return from
}

func sizes(table []int) map[int]int {
	n := map[int]int{}
	for _, index := range table {
		n[index]++
	}
	return n
}

// An additional slot takes an equal part of each other slot's clients, and no other client moves.
func TestResizeMovesFew(t *testing.T) {
	for n := 1; n < 40; n++ {
		before, after := assign(serving(firstNumbers(n)...)), assign(serving(firstNumbers(n+1)...))
		taken := sizes(after)[n+1]
		if taken != Buckets/(n+1) {
			t.Errorf("slot %d gets %d buckets of %d", n, taken, Buckets)
		}
		total := 0
		for index, count := range moved(before, after) {
			total += count
			if even := float64(taken) / float64(n); math.Abs(float64(count)-even) > 2 {
				t.Errorf("from %d to %d slots: %d buckets are taken from slot %d, an equal part is %.1f", n, n+1, count, index-1,
					even)
			}
		}
		if total != taken {
			t.Errorf("from %d to %d slots: %d buckets move, the new slot has %d", n, n+1, total, taken)
		}
	}
	for index, n := range sizes(assign(serving(firstNumbers(Buckets)...))) {
		if n != 1 {
			t.Fatalf("with as many slots as buckets, slot %d has %d", index-1, n)
		}
	}
}

// The clients of a slot that does not serve go to all other slots, and no other client moves.
func TestAbsentSlot(t *testing.T) {
	whole := assign(serving(0, 1, 2, 3, 4))
	for away := range 5 {
		var others []int
		for slot := range 5 {
			if slot != away {
				others = append(others, slot)
			}
		}
		now := assign(serving(others...))
		from := moved(whole, now)
		if len(from) != 1 || from[away+1] != sizes(whole)[away+1] {
			t.Errorf("without slot %d, buckets move from %v", away, from)
		}
		for index, n := range sizes(now) {
			if more := n - sizes(whole)[index]; more < from[away+1]/8 {
				t.Errorf("slot %d takes over %d of the %d buckets of slot %d", index-1, more, from[away+1], away)
			}
		}
	}
}

// During a roll two workers of a slot share its clients, or the new one is on trial.
func TestTwoInASlot(t *testing.T) {
	whole := assign(serving(0, 1, 2, 3))
	second := stake{index: 9, id: 9, slot: 2}
	part := func(n int) *int { return &n }
	for _, c := range []struct {
		trial *int
		want  int
	}{{nil, 128}, {part(500), 51}, {part(0), 0}, {part(5000), 256}} {
		second.trial = c.trial
		now := assign(append(serving(0, 1, 2, 3), second))
		from := moved(whole, now)
		if c.want == 0 && len(from) == 0 {
			continue
		}
		if len(from) != 1 || from[3] != c.want || sizes(now)[9] != c.want {
			t.Errorf("buckets move from %v to the second worker of slot 2, want %d of that slot", from, c.want)
		}
	}
	second.trial = part(0)
	if got := sizes(assign(append(serving(0, 1, 3), second)))[9]; got != 0 {
		t.Errorf("%d buckets go to a worker on a dark trial that is alone in its slot", got)
	}
	if got := sizes(assign([]stake{second}))[9]; got != Buckets {
		t.Errorf("%d buckets go to a worker on trial that is alone", got)
	}
}

// Workers that share the common socket get the clients of the slots that have no seat.
func TestStickyBesideShared(t *testing.T) {
	shared := stake{index: 0, slot: -1}
	now := sizes(assign(append(serving(1), shared, shared, shared)))
	if now[2] != Buckets/4 || now[0] != Buckets*3/4 {
		t.Errorf("buckets: %v", now)
	}
}

func (p packet) from(address string) packet {
	at := 12
	if p.protocol == etherIPv6 {
		at = 8
	}
	copy(p.header[at:], netip.MustParseAddr(address).AsSlice())
	return p
}

// A client always gets the same bucket, whatever its port is, and an IPv4 client also on an IPv6
// socket; neighbours in a network get different ones.
func TestClientsByAddress(t *testing.T) {
	table := firstNumbers(Buckets)
	vm := machine(t, Steering{Buckets: table})
	for _, ends := range [][2]packet{
		{ipv4("192.0.2.7:4000", 0), ipv4("192.0.2.7:65000", 0)},
		{ipv4("192.0.2.7:4000", 0), ipv4("192.0.2.7:4000", 10)},
		{ipv6("[2001:db8::1:2]:1"), ipv6("[2001:db8::1:2]:2")},
		{ipv4("192.0.2.7:4000", 0), ipv6("[::1]:4000").from("::ffff:192.0.2.7")},
	} {
		if a, b := steered(t, vm, ends[0]), steered(t, vm, ends[1]); a != b {
			t.Errorf("the same client goes to buckets %d and %d", a, b)
		}
	}
	for name, client := range map[string]func(i uint32) packet{
		"IPv4 neighbours": func(i uint32) packet { return ipv4(fmt.Sprintf("10.0.%d.%d:1", i>>8, i&255), 0) },
		"IPv4 networks":   func(i uint32) packet { return ipv4(fmt.Sprintf("%d.%d.0.1:1", 1+i>>8, i&255), 0) },
		"IPv6 hosts":      func(i uint32) packet { return ipv6(fmt.Sprintf("[2001:db8::%x]:1", i)) },
		"IPv6 networks":   func(i uint32) packet { return ipv6(fmt.Sprintf("[2001:db8:%x::1]:1", i)) },
		"IPv6 subnets":    func(i uint32) packet { return ipv6(fmt.Sprintf("[2001:db8:0:%x::1]:1", i)) },
		"IPv6 interfaces": func(i uint32) packet { return ipv6(fmt.Sprintf("[2001:db8::%x:ff:fe00:1]:1", i)) },
	} {
		slots := [4]int{}
		for i := range uint32(4096) {
			slots[steered(t, vm, client(i))/256]++
		}
		for slot, n := range slots {
			if n < 1024-150 || n > 1024+150 {
				t.Errorf("%s: slot %d has %d clients of 4096", name, slot, n)
			}
		}
	}
	first, again := mix(0x0a000001)%Buckets, steered(t, vm, ipv4("10.0.0.1:1", 0))
	if int(first) != again {
		t.Errorf("the program mixes differently: %d and %d", first, again)
	}
}

// The longest sticky program with all probes fits, and all its jumps are in reach.
func TestStickyProgramFits(t *testing.T) {
	var probes []Probe
	for i := range MaxProbes {
		probes = append(probes, Probe{Source: netip.AddrPortFrom(netip.IPv6Loopback(), uint16(4000+i)), Index: 1500 + i})
	}
	table := make([]int, Buckets) // no two neighbours are equal
	for i := range table {
		table[i] = i*7%1023 + 1
	}
	s := Steering{Buckets: table, Probes: probes}
	if program, err := Program(s); err != nil || len(program) > 2500 {
		t.Errorf("%d instructions: %v", len(program), err)
	}
	vm := machine(t, s)
	for i := range uint32(5000) {
		p := ipv4("0.0.0.1:1", 0)
		binary.BigEndian.PutUint32(p.header[12:], i)
		if got, want := steered(t, vm, p), table[mix(i)%Buckets]; got != want {
			t.Fatalf("client %d goes to %d, want %d", i, got, want)
		}
	}
	if got := steered(t, vm, ipv6("[::1]:4003")); got != 1503 {
		t.Errorf("a probe goes to %d", got)
	}
}

// A worker on trial gets its part of the connections, and the others get the rest.
func TestTrialPart(t *testing.T) {
	vm := machine(t, Steering{Serving: []int{1, 2, 3, 4}, Trials: []Trial{{Index: 9, Part: 500}, {Index: 8, Part: 0}}})
	got := map[int]int{}
	for i := range 10000 {
		got[steered(t, vm, packet{random: uint32(i)})]++
	}
	if got[9] != 500 || got[8] != 0 || got[1] == 0 || got[4] == 0 {
		t.Errorf("connections: %v", got)
	}
}
