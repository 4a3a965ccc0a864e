//go:build linux && !amd64 && !386

package launch

import "golang.org/x/sys/unix"

// waitCalls are the calls of the generic system call table.
var waitCalls = map[uintptr]waitKind{
	unix.SYS_ACCEPT: waitsOnFD, unix.SYS_ACCEPT4: waitsOnFD,
	unix.SYS_RECVFROM: waitsOnFD, unix.SYS_RECVMSG: waitsOnFD, unix.SYS_RECVMMSG: waitsOnFD,
	unix.SYS_PPOLL: waitsOnPoll, unix.SYS_PSELECT6: waitsOnSelect,
}
