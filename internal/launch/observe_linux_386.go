package launch

import "golang.org/x/sys/unix"

// waitCalls has no accept: on this processor it is a part of socketcall(2), and C libraries use
// accept4.
var waitCalls = map[uintptr]waitKind{
	unix.SYS_ACCEPT4: waitsOnFD, unix.SYS_RECVFROM: waitsOnFD, unix.SYS_RECVMSG: waitsOnFD,
	unix.SYS_RECVMMSG: waitsOnFD,
	unix.SYS_POLL:     waitsOnPoll, unix.SYS_PPOLL: waitsOnPoll,
	unix.SYS__NEWSELECT: waitsOnSelect, unix.SYS_PSELECT6: waitsOnSelect,
}
