package filter

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestFilter: it stops bind of this architecture, and nothing of another one: a 32-bit program
// has other numbers for its system calls.
func TestFilter(t *testing.T) {
	const i386, bindOf386 = 0x40000003, 361
	machine, known := thisMachine()
	if !known {
		t.Fatal("no numbers of this machine are known")
	}
	if machine.seccomp != unix.SYS_SECCOMP || machine.bind != unix.SYS_BIND {
		t.Errorf("the calls of this machine have the numbers %d and %d, not %d and %d",
			unix.SYS_SECCOMP, unix.SYS_BIND, machine.seccomp, machine.bind)
	}
	ours := machine.audit
	var raw []bpf.RawInstruction
	for _, in := range machine.code() {
		raw = append(raw, bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K})
	}
	instructions, _ := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ arch, number, want uint32 }{
		{ours, unix.SYS_BIND, unix.SECCOMP_RET_USER_NOTIF},
		{ours, unix.SYS_CONNECT, unix.SECCOMP_RET_ALLOW},
		{ours, 0x40000000 + unix.SYS_BIND, unix.SECCOMP_RET_ALLOW}, // x32
		{i386, unix.SYS_BIND, unix.SECCOMP_RET_ALLOW},
		{i386, bindOf386, unix.SECCOMP_RET_ALLOW},
	} {
		call := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, test.number), test.arch) // as the VM reads
		if got, err := vm.Run(call); err != nil || uint32(got) != test.want {
			t.Errorf("call %d of architecture %#x: %#x, %v; want %#x", test.number, test.arch, got, err, test.want)
		}
	}
}
