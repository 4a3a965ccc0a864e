package seats

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// Limits of a program.
const (
	MaxProbes       = 16
	maxInstructions = 4096 // BPF_MAXINSNS
	maxJump         = 255  // of a conditional jump, whose offsets have a byte each
)

// Offsets in a packet. In this hook 0 is the payload; networkHeader (SKF_NET_OFF) is the
// beginning of the IP header.
const (
	networkHeader = 0xfff00000
	randomNumber  = bpf.ExtRand
	etherIPv4     = 0x0800
	etherIPv6     = 0x86dd
	sourceIPv4    = 12
	sourceIPv6    = 8
	payloadIPv6   = 40
)

// Cells of a program's memory.
const (
	cellPort = 0 // the client's port, for probes
	cellFold = 1 // the part of its address that is already folded into one word
)

// Steering says which members of a reuseport group take new connections.
type Steering struct {
	// Serving has the indexes from which the program picks at random for each new connection.
	// An index that is listed twice gets twice as many. It may be empty only if Buckets is
	// not.
	Serving []int
	// Buckets has an index for each bucket; the client's address decides the bucket. Serving
	// and Trials are ignored then.
	Buckets []int
	Trials  []Trial
	Probes  []Probe
}

// Trial sends a part of all new connections to a member that is not in Serving.
type Trial struct {
	Index int
	Part  int // in ten-thousandths
}

// wholePart is the Part of a trial that gets all connections.
const wholePart = 10000

// Probe sends the connections of one client address to one member, whatever Serving
// says.
type Probe struct {
	Source netip.AddrPort
	Index  int
}

// Program assembles what SO_ATTACH_REUSEPORT_CBPF takes.
func Program(s Steering) ([]bpf.RawInstruction, error) {
	instructions, err := instructions(s)
	if err != nil {
		return nil, err
	}
	if len(instructions) > maxInstructions {
		return nil, fmt.Errorf("cannot steer connections: %d instructions, the kernel takes %d; use fewer workers",
			len(instructions), maxInstructions)
	}
	return bpf.Assemble(instructions)
}

func instructions(s Steering) ([]bpf.Instruction, error) {
	if len(s.Serving) == 0 && len(s.Buckets) == 0 {
		return nil, fmt.Errorf("internal error: a steering program without a member that serves")
	}
	if len(s.Probes) > MaxProbes {
		return nil, fmt.Errorf("internal error: %d probes in a steering program, %d fit", len(s.Probes), MaxProbes)
	}
	if len(s.Buckets) > 0 {
		return append(probing(s.Probes), sticking(s.Buckets)...), nil
	}
	return slices.Concat(probing(s.Probes), trying(s.Trials), choosing(s.Serving)), nil
}

// trying decides at random whether a connection is part of a trial.
func trying(trials []Trial) (program []bpf.Instruction) {
	for _, t := range trials {
		program = append(program,
			bpf.LoadExtension{Num: randomNumber},
			bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: wholePart},
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(t.Part), SkipTrue: 1},
			bpf.RetConstant{Val: uint32(t.Index)})
	}
	return program
}

// choosing picks one of the indexes at random.
func choosing(serving []int) []bpf.Instruction {
	runs := runsOf(serving)
	if len(runs) == 1 && (runs[0].length == 1 || runs[0].same) {
		return runs[0].leaf()
	}
	head := []bpf.Instruction{
		bpf.LoadExtension{Num: randomNumber},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(len(serving))},
	}
	return append(head, search(runs)...)
}

// run is a part of the sorted indexes: the same index several times, or consecutive indexes.
type run struct {
	from   int // the random number that stands for first
	first  int // an index of the group
	length int
	same   bool
}

func runsOf(serving []int) (runs []run) {
	for i, index := range slices.Sorted(slices.Values(serving)) {
		if n := len(runs); n > 0 {
			last := &runs[n-1]
			switch repeats := index == last.first; {
			case repeats && (last.same || last.length == 1):
				last.same = true
				last.length++
				continue
			case !last.same && index == last.first+last.length:
				last.length++
				continue
			}
		}
		runs = append(runs, run{from: i, first: index, length: 1})
	}
	return runs
}

// leaf turns the random number in A into an index.
func (r run) leaf() []bpf.Instruction {
	if r.same || r.length == 1 {
		return []bpf.Instruction{bpf.RetConstant{Val: uint32(r.first)}}
	}
	if r.first == r.from {
		return []bpf.Instruction{bpf.RetA{}}
	}
	return []bpf.Instruction{
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: uint32(r.first - r.from)}, // modulo 2³²
		bpf.RetA{},
	}
}

// search finds the run of the random number by binary search.
func search(runs []run) []bpf.Instruction {
	if len(runs) == 1 {
		return runs[0].leaf()
	}
	middle := len(runs) / 2
	low, high := search(runs[:middle]), search(runs[middle:])
	compare := bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(runs[middle].from)}
	if len(low) <= maxJump {
		compare.SkipTrue = uint8(len(low))
		return slices.Concat([]bpf.Instruction{compare}, low, high)
	}
	compare.SkipFalse = 1
	return slices.Concat([]bpf.Instruction{compare, bpf.Jump{Skip: uint32(len(low))}}, low, high)
}

// probing returns the index of a probe's connection, and passes all others on. An IPv6
// socket has IPv4 clients, too, so the packet's own protocol decides.
func probing(probes []Probe) []bpf.Instruction {
	var v4, v6 []bpf.Instruction
	for _, p := range probes {
		if source := p.Source.Addr().Unmap(); source.Is4() {
			v4 = append(v4, p.match(sourceIPv4, source.AsSlice())...)
		} else {
			v6 = append(v6, p.match(sourceIPv6, source.AsSlice())...)
		}
	}
	var program []bpf.Instruction
	if len(v4) > 0 {
		program = append(program, onlyFor(etherIPv4, append([]bpf.Instruction{
			bpf.LoadMemShift{Off: networkHeader}, // the header's length, options included
			bpf.LoadIndirect{Off: networkHeader, Size: 2},
			bpf.StoreScratch{Src: bpf.RegA, N: cellPort},
		}, v4...))...)
	}
	if len(v6) > 0 {
		program = append(program, onlyFor(etherIPv6, append([]bpf.Instruction{
			bpf.LoadAbsolute{Off: networkHeader + payloadIPv6, Size: 2},
			bpf.StoreScratch{Src: bpf.RegA, N: cellPort},
		}, v6...))...)
	}
	return program
}

func onlyFor(protocol uint32, body []bpf.Instruction) []bpf.Instruction {
	return append([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocol, SkipFalse: uint8(len(body))},
	}, body...)
}

// match returns the probe's index if the source port, which is in the scratch memory, and the
// address are the probe's. The port alone is not enough, because a client of another host may
// use the same one.
func (p Probe) match(at uint32, address []byte) []bpf.Instruction {
	words := len(address) / 4
	left := 2*words + 1 // instructions after the comparison of the port
	block := []bpf.Instruction{
		bpf.LoadScratch{Dst: bpf.RegA, N: cellPort},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(p.Source.Port()), SkipFalse: uint8(left)},
	}
	for i := range words {
		left -= 2
		block = append(block,
			bpf.LoadAbsolute{Off: networkHeader + at + uint32(4*i), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(address[4*i:]), SkipFalse: uint8(left)})
	}
	return append(block, bpf.RetConstant{Val: uint32(p.Index)})
}
