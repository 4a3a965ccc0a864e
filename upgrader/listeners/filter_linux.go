package listeners

import "golang.org/x/sys/unix"

// dropNew has the kernel pass over what would bring a new client: the first
// packet of a TCP handshake, and every datagram. Newer kernels want CAP_NET_ADMIN
// for a filter on a TCP socket; without it a decoy takes the first packets.
func dropNew(l *Listener) error {
	err := attachFilter(l)
	if err == nil || l.Datagram() {
		return err
	}
	return l.divert()
}

// attachFilter drops first packets: they have SYN and no ACK among their flags.
// The filter sees packets from the transport header on; the flags are byte 13 of
// TCP's (RFC 9293, 3.1). Other packets to a listening socket finish handshakes
// that have begun.
func attachFilter(l *Listener) error {
	const syn, ack, all = 0x02, 0x10, 0xffffffff
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: all},
	}
	if l.Datagram() {
		filter = filter[3:4]
	}
	return unix.SetsockoptSockFprog(int(l.file.Fd()), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// dropNone lets new clients in again.
func dropNone(l *Listener) error {
	if err := l.admitDiverted(); err != nil {
		return err
	}
	err := unix.SetsockoptInt(int(l.file.Fd()), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	if err == unix.ENOENT || err == unix.EOPNOTSUPP { // there is none, or, with MPTCP, there cannot be one
		return nil
	}
	return err
}
