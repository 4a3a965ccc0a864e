package seats

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// packet is what a program sees, in a form that the virtual machine of package bpf can load: it
// supports no extensions, and no offsets before the payload.
type packet struct {
	random   uint32
	protocol uint16
	header   []byte // from the IP header on
}

const headerAt = 8

func (p packet) bytes() []byte {
	out := binary.BigEndian.AppendUint32(nil, p.random)
	out = binary.BigEndian.AppendUint16(out, p.protocol)
	return append(append(out, 0, 0), p.header...)
}

func machine(t *testing.T, s Steering) *bpf.VM {
	t.Helper()
	program, err := instructions(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, in := range program {
		switch in := in.(type) {
		case bpf.LoadExtension:
			at := map[bpf.Extension]bpf.LoadAbsolute{bpf.ExtRand: {Off: 0, Size: 4}, bpf.ExtProto: {Off: 4, Size: 2}}
			program[i] = at[in.Num]
		case bpf.LoadAbsolute:
			in.Off = in.Off - networkHeader + headerAt
			program[i] = in
		case bpf.LoadIndirect:
			in.Off = in.Off - networkHeader + headerAt
			program[i] = in
		case bpf.LoadMemShift:
			in.Off = in.Off - networkHeader + headerAt
			program[i] = in
		}
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func steered(t *testing.T, vm *bpf.VM, p packet) int {
	t.Helper()
	index, err := vm.Run(p.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// ipv4 is a TCP packet's header, with as many words of options.
func ipv4(source string, options int) packet {
	from := netip.MustParseAddrPort(source)
	header := make([]byte, 20+4*options+20)
	header[0] = 0x40 | byte(5+options)
	copy(header[12:], from.Addr().AsSlice())
	binary.BigEndian.PutUint16(header[20+4*options:], from.Port())
	return packet{protocol: 0x0800, header: header}
}

func ipv6(source string) packet {
	from := netip.MustParseAddrPort(source)
	header := make([]byte, 60)
	header[0] = 0x60
	copy(header[8:], from.Addr().AsSlice())
	binary.BigEndian.PutUint16(header[40:], from.Port())
	return packet{protocol: 0x86dd, header: header}
}

func upTo(from, to, step int) (all []int) {
	for i := from; i < to; i += step {
		all = append(all, i)
	}
	return all
}

// Every random number leads to one of the indexes, and each index is reached as often as it is
// listed.
func TestChoosing(t *testing.T) {
	for name, serving := range map[string][]int{
		"one":              {7},
		"the common one":   {0},
		"neighbours":       {0, 1, 2, 3},
		"unsorted":         {9, 2, 4, 3},
		"from one on":      {1, 2, 3, 4, 5},
		"the spare seats":  {1, 3, 5, 7},
		"weights":          {0, 0, 0, 1, 2, 3},
		"only weight":      {4, 4, 4},
		"weight of a last": {1, 2, 2},
		"gaps":             {1, 2, 5, 6, 7, 900, 2047},
		"512":              upTo(1, 513, 1),
		"512 with gaps":    upTo(1024, 2048, 2),
		"512 and weight":   append(upTo(1, 1025, 2), slices.Repeat([]int{0}, 512)...),
	} {
		t.Run(name, func(t *testing.T) {
			vm := machine(t, Steering{Serving: serving})
			got, want := map[int]int{}, map[int]int{}
			for i, index := range serving {
				want[index] += 2
				got[steered(t, vm, packet{random: uint32(i)})]++
				last := 1<<32/uint64(len(serving)) - 1 // the last complete round of the random numbers
				got[steered(t, vm, packet{random: uint32(last*uint64(len(serving)) + uint64(i))})]++
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestProbing(t *testing.T) {
	probes := []Probe{
		{Source: netip.MustParseAddrPort("127.0.0.1:4001"), Index: 11},
		{Source: netip.MustParseAddrPort("[::1]:4001"), Index: 12},
		{Source: netip.MustParseAddrPort("192.0.2.7:4001"), Index: 13},
		{Source: netip.MustParseAddrPort("[2001:db8::1:2]:4003"), Index: 14},
		{Source: netip.MustParseAddrPort("[::ffff:127.0.0.1]:4004"), Index: 15},
		{Source: netip.MustParseAddrPort("[fe80::1%3]:4005"), Index: 16},
	}
	vm := machine(t, Steering{Serving: []int{1, 2}, Probes: probes})
	for name, c := range map[string]struct {
		packet
		want int
	}{
		"IPv4":                         {ipv4("127.0.0.1:4001", 0), 11},
		"IPv4 with options":            {ipv4("127.0.0.1:4001", 3), 11},
		"IPv4 with all options":        {ipv4("127.0.0.1:4001", 10), 11},
		"IPv6":                         {ipv6("[::1]:4001"), 12},
		"another address, same port":   {ipv4("192.0.2.7:4001", 0), 13},
		"a long IPv6 address":          {ipv6("[2001:db8::1:2]:4003"), 14},
		"an IPv4 address in IPv6":      {ipv4("127.0.0.1:4004", 0), 15},
		"an address of one link":       {ipv6("[fe80::1]:4005"), 16},
		"another port":                 {ipv4("127.0.0.1:4002", 0), 1},
		"a stranger with a probe's":    {ipv4("192.0.2.8:4001", 0), 1},
		"an IPv6 stranger":             {ipv6("[2001:db8::1:3]:4003"), 1},
		"an IPv6 stranger, first word": {ipv6("[2001:db9::1:2]:4003"), 1},
		"another protocol":             {packet{protocol: 0x0806, header: ipv4("127.0.0.1:4001", 0).header}, 1},
	} {
		if got := steered(t, vm, c.packet); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := steered(t, vm, packet{random: 1, protocol: 0x0800, header: ipv4("127.0.0.1:1", 0).header}); got != 2 {
		t.Errorf("other packets are not spread: %d", got)
	}
}

// The longest program that a Group makes fits, and all of its jumps are in reach.
func TestProgramFits(t *testing.T) {
	var probes []Probe
	for i := range MaxProbes {
		probes = append(probes, Probe{Source: netip.AddrPortFrom(netip.IPv6Loopback(), uint16(4000+i)), Index: 1500 + i})
	}
	s := Steering{Serving: append(upTo(1, 1024, 2), slices.Repeat([]int{0}, 512)...), Probes: probes}
	program, err := Program(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(program) > 2000 {
		t.Errorf("%d instructions", len(program))
	}
	vm := machine(t, s)
	for i := range MaxProbes {
		if got := steered(t, vm, ipv6(fmt.Sprintf("[::1]:%d", 4000+i))); got != 1500+i {
			t.Errorf("probe %d goes to %d", i, got)
		}
	}
	p := ipv6("[::1]:3999")
	p.random = 1023
	if got := steered(t, vm, p); got != 1023 {
		t.Errorf("the last packet goes to %d", got)
	}
}

func TestProgramRefuses(t *testing.T) {
	for want, s := range map[string]Steering{
		"without a member":                      {},
		"17 probes":                             {Serving: []int{0}, Probes: make([]Probe, 17)},
		"the kernel takes 4096; use fewer work": {Serving: upTo(0, 6000, 2)},
	} {
		if _, err := Program(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
