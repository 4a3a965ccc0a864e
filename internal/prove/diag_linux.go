package prove

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The layouts below are those of sock_diag(7), linux/inet_diag.h and
// linux/unix_diag.h.
const (
	inetRequestSize = 8 + 48
	inetPeerPort    = 4 + 2
	inetPeerAddr    = 4 + 4 + 16
	inetInode       = 4 + 48 + 16
	inetSize        = inetInode + 4

	unixInode    = 4
	unixSize     = 16
	unixShowPeer = 4 // UDIAG_SHOW_PEER
	unixPeer     = 2 // UNIX_DIAG_PEER

	tcpEstablished = 1
	tcpSynRecv     = 3
	tcpTimeWait    = 6
	tcpListen      = 10
)

// diagTCP adds the peers of TCP sockets.
func diagTCP(inodes map[uint64]struct{}, into map[peer]struct{}) error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, inetRequestSize)
		request[0], request[1] = family, unix.IPPROTO_TCP
		// Sockets in the other states belong to no process or have no peer.
		states := ^uint32(1<<tcpSynRecv | 1<<tcpTimeWait | 1<<tcpListen)
		binary.NativeEndian.PutUint32(request[4:], states)
		err := diag(request, func(m []byte) {
			inode, p, ok := inetPeer(m)
			if _, ours := inodes[inode]; ok && ours {
				into[p] = struct{}{}
			}
		})
		// A kernel without IPv6 has no such sockets.
		if err != nil && !(family == unix.AF_INET6 && errors.Is(err, unix.ENOENT)) {
			return err
		}
	}
	return nil
}

// inetPeer reads a socket's inode and peer from an inet_diag_msg.
func inetPeer(m []byte) (inode uint64, p peer, ok bool) {
	if len(m) < inetSize {
		return 0, peer{}, false
	}
	size := 4
	if m[0] == unix.AF_INET6 {
		size = 16
	}
	ip, _ := netip.AddrFromSlice(m[inetPeerAddr : inetPeerAddr+size])
	port := binary.BigEndian.Uint16(m[inetPeerPort:])
	// A dual-stack listener sees IPv4 clients as ::ffff:a.b.c.d.
	p.addr = netip.AddrPortFrom(ip.Unmap(), port)
	return uint64(binary.NativeEndian.Uint32(m[inetInode:])), p, true
}

// diagUnix adds the peers of connected Unix sockets.
func diagUnix(inodes map[uint64]struct{}, into map[peer]struct{}) error {
	request := make([]byte, 24)
	request[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(request[4:], 1<<tcpEstablished)
	binary.NativeEndian.PutUint32(request[12:], unixShowPeer)
	return diag(request, func(m []byte) {
		if len(m) < unixSize {
			return
		}
		if _, ours := inodes[uint64(binary.NativeEndian.Uint32(m[unixInode:]))]; !ours {
			return
		}
		for a := m[unixSize:]; len(a) >= unix.SizeofRtAttr; {
			size := int(binary.NativeEndian.Uint16(a))
			if size < unix.SizeofRtAttr || size > len(a) {
				return
			}
			if binary.NativeEndian.Uint16(a[2:]) == unixPeer && size >= unix.SizeofRtAttr+4 {
				into[peer{inode: uint64(binary.NativeEndian.Uint32(a[unix.SizeofRtAttr:]))}] = struct{}{}
			}
			a = a[min((size+3)&^3, len(a)):]
		}
	})
}

// diag asks the kernel for all sockets of a kind, and calls each with the body of every answer.
func diag(request []byte, each func([]byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	// The kernel answers at once or never; the timeout is for the latter.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	message := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(request))
	binary.NativeEndian.PutUint32(message, uint32(unix.SizeofNlMsghdr+len(request)))
	binary.NativeEndian.PutUint16(message[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	message = append(message, request...)
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	return receive(fd, each)
}

func receive(fd int, each func([]byte)) error {
	buffer := make([]byte, 64<<10) // the kernel fills at most 32 KiB at a time
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return fmt.Errorf("cannot understand the kernel's socket diagnosis: %w", err)
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return netlinkError(m.Data)
			default:
				each(m.Data)
			}
		}
	}
}

func netlinkError(data []byte) error {
	if len(data) < 4 {
		return errors.New("cannot understand the kernel's socket diagnosis: short error")
	}
	if code := int32(binary.NativeEndian.Uint32(data)); code < 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// nativeToNetwork turns a word of the machine's byte order into the network's.
func nativeToNetwork(word []byte) {
	binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
}
