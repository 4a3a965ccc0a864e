// Package capture lets programs that bind their own port serve from sockets that
// the master holds. A worker is started with a seccomp filter that stops it in
// bind(2) (Install, called by the launcher right before the exec); the master reads
// where the program wants to listen, puts a listening socket of its own in the
// place of the program's, and lets bind return 0. Everything else continues in the
// kernel as if nothing had been. The program is not changed and runs at full speed:
// the kernel answers all other system calls of the filter from a bitmap.
//
// The mechanism is seccomp_unotify(2), with SECCOMP_IOCTL_NOTIF_ADDFD (Linux 5.9).
// It is no security boundary: a program can always bind by itself what it may bind.
package capture
