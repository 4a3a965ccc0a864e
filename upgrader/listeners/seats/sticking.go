package seats

import "golang.org/x/net/bpf"

// sticking assembles the part of a program that finds the member by the client's address.
func sticking(buckets []int) []bpf.Instruction {
	program := append(folding(), mixing()...)
	program = append(program, bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(len(buckets))})
	var runs []run
	for i, index := range buckets {
		if n := len(runs); n > 0 && runs[n-1].first == index {
			runs[n-1].length++
			continue
		}
		runs = append(runs, run{from: i, first: index, length: 1, same: true})
	}
	return append(program, search(runs)...)
}

// folding puts the client's address into the register A, an IPv6 address folded into one word.
// An IPv4 address in the form of IPv6 (::ffff:192.0.2.1) gives the same word as the IPv4 address.
func folding() []bpf.Instruction {
	multipliers := []uint32{0x9e3779b1, 0x85ebca77, 0xc2b2ae3d} // primes; any odd numbers do
	var six []bpf.Instruction
	for i, multiplier := range multipliers {
		six = append(six, bpf.LoadAbsolute{Off: networkHeader + sourceIPv6 + uint32(4*i), Size: 4})
		if i == 2 {
			six = append(six, bpf.ALUOpConstant{Op: bpf.ALUOpXor, Val: 0xffff})
		}
		six = append(six, bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: multiplier})
		if i > 0 {
			six = append(six, bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: cellFold}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
		}
		six = append(six, bpf.StoreScratch{Src: bpf.RegA, N: cellFold})
	}
	six = append(six,
		bpf.LoadAbsolute{Off: networkHeader + sourceIPv6 + 12, Size: 4},
		bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: cellFold}, bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.Jump{Skip: 1})
	return append(onlyFor(etherIPv6, six), bpf.LoadAbsolute{Off: networkHeader + sourceIPv4, Size: 4})
}

// mixing applies mix to the number in A, because addresses of one network differ in few bits.
func mixing() []bpf.Instruction {
	fold := func(bits uint32) []bpf.Instruction {
		return []bpf.Instruction{
			bpf.TAX{}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: bits}, bpf.ALUOpX{Op: bpf.ALUOpXor},
		}
	}
	program := append(fold(16), bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: mixFirst})
	program = append(append(program, fold(13)...), bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: mixSecond})
	return append(program, fold(16)...)
}
