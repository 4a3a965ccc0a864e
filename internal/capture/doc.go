// Package capture lets programs that bind their own port serve from sockets that the master
// holds. A worker is started with a seccomp filter that stops it in bind(2): see package filter.
// The master reads where the program wants to listen, replaces the program's socket by a
// listening socket of its own, and lets bind return 0. The program is not changed and runs at
// full speed: for all other system calls the kernel has the filter's answer in a bitmap.
//
// The mechanism is seccomp_unotify(2), with SECCOMP_IOCTL_NOTIF_ADDFD (Linux 5.9). It is no
// security boundary: if relevo does not answer a bind with a socket of its own, the kernel
// performs the program's bind.
package capture
