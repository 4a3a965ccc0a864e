package capture

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// architectures are the AUDIT_ARCH_ values of <linux/audit.h> by GOARCH.
var architectures = map[string]uint32{
	"amd64": 0xc000003e, "arm64": 0xc00000b7, "riscv64": 0xc00000f3, "s390x": 0x80000016, "loong64": 0xc0000102,
}

// filter returns a filter that stops bind(2) of this machine's own architecture. A program of
// another one (32 bit, x32) is not stopped. The offsets are those of struct seccomp_data.
func filter(architecture uint32) []unix.SockFilter {
	const number, arch = 0, 4
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: arch},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: architecture, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BIND, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

// ErrNested is returned by Install if a process above this one has installed such a filter
// already: the kernel allows one listener in a chain of filters.
var ErrNested = errors.New("cannot capture bind: this process is captured already, by another " +
	"relevo or by its container")

// Installed is a filter in force.
type Installed struct {
	FD              int  // descriptor for the notifications; close-on-exec
	NoNewPrivileges bool // the kernel required it: set-user-ID programs run without their privileges
}

// Install makes the calling thread stop in bind(2) from now on, also after an exec, and all
// its children. The caller has to lock the thread.
func Install() (Installed, error) {
	architecture, known := architectures[runtime.GOARCH]
	if !known {
		return Installed{}, fmt.Errorf("cannot capture bind on %s: %w", runtime.GOARCH, errors.ErrUnsupported)
	}
	code := filter(architecture)
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	fd, err := install(&program)
	if err == nil || !errors.Is(err, unix.EACCES) {
		return Installed{FD: fd}, explainInstall(err)
	}
	// The process has no CAP_SYS_ADMIN in its user namespace.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return Installed{}, fmt.Errorf("cannot capture bind: no_new_privs: %w", err)
	}
	fd, err = install(&program)
	return Installed{FD: fd, NoNewPrivileges: true}, explainInstall(err)
}

func explainInstall(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return ErrNested
	}
	return fmt.Errorf("cannot capture bind: seccomp: %w", err)
}

// install calls seccomp(2). Kernels before 5.19 do not know WAIT_KILLABLE_RECV, without which
// a signal handler may restart the program's bind.
func install(program *unix.SockFprog) (fd int, err error) {
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	for _, wanted := range []uintptr{flags | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, flags} {
		r, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, wanted,
			uintptr(unsafe.Pointer(program)))
		if errno == 0 {
			return int(r), nil
		}
		err = errno
		if errno != unix.EINVAL {
			break
		}
	}
	return -1, err
}
