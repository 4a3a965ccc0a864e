package filter

import (
	"errors"
	"runtime"
	"syscall"
	"unsafe"
)

// machine is what the filter has to know of a processor.
type machine struct {
	audit         uint32 // AUDIT_ARCH_ of <linux/audit.h>
	seccomp, bind uint32 // the numbers of these system calls; package syscall does not have all
}

func thisMachine() (m machine, known bool) {
	switch runtime.GOARCH {
	case "amd64":
		return machine{0xc000003e, 317, 49}, true
	case "arm64":
		return machine{0xc00000b7, 277, 200}, true
	case "riscv64":
		return machine{0xc00000f3, 277, 200}, true
	case "s390x":
		return machine{0x80000016, 348, 361}, true
	case "loong64":
		return machine{0xc0000102, 277, 200}, true
	}
	return m, false
}

// The constants of <linux/seccomp.h> and <linux/prctl.h>.
const (
	setModeFilter    = 1
	flagSpecAllow    = 1 << 2
	flagNewListener  = 1 << 3
	flagWaitKillable = 1 << 5
	returnNotify     = 0x7fc00000
	returnAllow      = 0x7fff0000
	setNoNewPrivs    = 38
)

// code returns a filter that stops bind(2) of this machine's own architecture. A program of
// another one (32 bit, x32) is not stopped. The offsets are those of struct seccomp_data.
func (m machine) code() [6]syscall.SockFilter {
	const number, arch = 0, 4
	return [...]syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: arch},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: m.audit, Jf: 3},
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: number},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: m.bind, Jf: 1},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: returnNotify},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: returnAllow},
	}
}

// ErrNested is returned by Install if a process above this one has installed such a filter
// already: the kernel allows one listener in a chain of filters.
var ErrNested = errors.New("cannot capture bind: this process is captured already, by another " +
	"relevo or by its container")

// failure is a system call that has failed.
type failure struct {
	call  string
	errno syscall.Errno
}

func (f *failure) Error() string { return "cannot capture bind: " + f.call + ": " + f.errno.Error() }

func (f *failure) Unwrap() error { return f.errno }

// Installed is a filter in force.
type Installed struct {
	FD              int  // descriptor for the notifications; close-on-exec
	NoNewPrivileges bool // the kernel required it: set-user-ID programs run without their privileges
}

// Install makes the calling thread stop in bind(2) from now on, also after an exec, and all
// its children. The caller has to lock the thread.
func Install() (Installed, error) {
	machine, known := thisMachine()
	if !known {
		return Installed{}, &failure{"seccomp on " + runtime.GOARCH, syscall.ENOSYS}
	}
	code := machine.code()
	program := syscall.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	fd, errno := machine.install(&program)
	if errno != syscall.EACCES {
		return Installed{FD: fd}, explain(errno)
	}
	// The process has no CAP_SYS_ADMIN in its user namespace.
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return Installed{}, &failure{"no_new_privs", errno}
	}
	fd, errno = machine.install(&program)
	return Installed{FD: fd, NoNewPrivileges: true}, explain(errno)
}

func explain(errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.EBUSY:
		return ErrNested
	}
	return &failure{"seccomp", errno}
}

// install calls seccomp(2). Kernels before 5.19 do not know WAIT_KILLABLE_RECV, without which
// a signal handler may restart the program's bind.
func (m machine) install(program *syscall.SockFprog) (fd int, errno syscall.Errno) {
	const flags = flagNewListener | flagSpecAllow
	for _, wanted := range [...]uintptr{flags | flagWaitKillable, flags} {
		var r uintptr
		r, _, errno = syscall.RawSyscall(uintptr(m.seccomp), setModeFilter, wanted, uintptr(unsafe.Pointer(program)))
		if errno == 0 {
			return int(r), 0
		}
		if errno != syscall.EINVAL {
			break
		}
	}
	return -1, errno
}

// Announce installs the filter and sends its descriptor over a Unix socket to the master, or
// the reason why there is none. The caller has to lock its thread, and to exec from it.
func Announce(channel int) error {
	installed, err := Install()
	if err != nil {
		_, err = syscall.Write(channel, []byte(string(Uncaptured)+err.Error()+"\n"))
		return err
	}
	defer syscall.Close(installed.FD)
	word := []byte{Captured}
	if installed.NoNewPrivileges {
		word[0] = NoNewPrivileges
	}
	return syscall.Sendmsg(channel, word, syscall.UnixRights(installed.FD), nil, 0)
}
