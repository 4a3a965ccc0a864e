package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// States of <net/tcp_states.h>, as bits.
const (
	established = 1 << unix.BPF_TCP_ESTABLISHED
	closeWait   = 1 << unix.BPF_TCP_CLOSE_WAIT
	listening   = 1 << unix.BPF_TCP_LISTEN
)

const (
	byFamily   = 20 // SOCK_DIAG_BY_FAMILY
	ofTCP      = 18 // TCPDIAG_GETSOCK
	tcpInfo    = 2  // INET_DIAG_INFO
	infoBit    = 1 << (tcpInfo - 1)
	requestLen = 16 + 56 // struct nlmsghdr, struct inet_diag_req_v2
	oldLen     = 16 + 60 // struct nlmsghdr, struct inet_diag_req
	messageLen = 72      // struct inet_diag_msg
)

// answerLen is how much of an answer is read at once: the first message of a dump is smaller than
// that, and the kernel makes the later ones no larger than what was read (netlink_dump).
const answerLen = 8 << 10

// Established lists the connections on these ports, also those whose client has
// closed its sending half.
func Established(ports []uint16) (all []Connection, err error) {
	err = list(established|closeWait, infoBit, func(body []byte) {
		if c, ok := parse(body); ok && slices.Contains(ports, c.Port) {
			all = append(all, c)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list connections: %w", err)
	}
	return all, nil
}

// Accepted lists the inodes of the connections on these ports. It costs the kernel half as much for
// each of them as Established: their figures would be read under a lock.
func Accepted(ports []uint16) (inodes []uint32, err error) {
	err = list(established|closeWait, 0, func(body []byte) {
		if c, ok := parse(body); ok && slices.Contains(ports, c.Port) && c.Inode != 0 {
			inodes = append(inodes, c.Inode)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list connections: %w", err)
	}
	return inodes, nil
}

// Listening lists the sockets that listen. The kernel does not look through the connections
// for it.
func Listening() (all []Listener, err error) {
	err = list(listening, 0, func(body []byte) {
		if l, ok := parseListener(body); ok {
			all = append(all, l)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list listening sockets: %w", err)
	}
	return all, nil
}

// list tells of each TCP socket in one of the states: a struct inet_diag_msg and what follows.
func list(states uint32, show byte, found func(body []byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	told := false
	err = dumpAll(fd, states, show, func(body []byte) {
		told = true
		found(body)
	})
	if err == nil || told {
		return err
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := dump(fd, family, states, show, found); err != nil {
			return err
		}
	}
	return nil
}

// dumpAll asks for IPv4 and IPv6 together, by the older request that a kernel may not know. The
// newer one is for one of them, and each has the kernel walk through its whole table of connections,
// which is large on a machine with much memory, however few connections there are.
func dumpAll(fd int, states uint32, show byte, found func(body []byte)) error {
	request := make([]byte, oldLen)
	binary.NativeEndian.PutUint32(request[0:], oldLen)
	binary.NativeEndian.PutUint16(request[4:], ofTCP)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[19] = show
	binary.NativeEndian.PutUint32(request[68:], states)
	return converse(fd, request, true, found)
}

func dump(fd int, family byte, states uint32, show byte, found func(body []byte)) error {
	request := make([]byte, requestLen)
	binary.NativeEndian.PutUint32(request[0:], requestLen)
	binary.NativeEndian.PutUint16(request[4:], byFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[16], request[17], request[18] = family, unix.IPPROTO_TCP, show
	binary.NativeEndian.PutUint32(request[20:], states)
	return converse(fd, request, true, found)
}

// converse sends a request, and reads the answers: many to a dump, one to anything else.
func converse(fd int, request []byte, dump bool, found func(body []byte)) error {
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, answerLen)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := read(buffer[:n], found); done || !dump || err != nil {
			return err
		}
	}
}

// read takes the messages of one datagram; done is said with the last one.
func read(data []byte, found func(body []byte)) (done bool, err error) {
	for len(data) >= unix.SizeofNlMsghdr {
		length := int(binary.NativeEndian.Uint32(data))
		if length < unix.SizeofNlMsghdr || length > len(data) {
			return false, errors.New("the kernel's answer is broken off")
		}
		body := data[unix.SizeofNlMsghdr:length]
		switch binary.NativeEndian.Uint16(data[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) >= 4 {
				return true, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
			}
			return true, unix.EIO
		default:
			found(body)
		}
		data = data[min((length+3)&^3, len(data)):]
	}
	return false, nil
}

// parse reads a struct inet_diag_msg and the struct tcp_info behind it.
func parse(body []byte) (c Connection, ok bool) {
	if len(body) < messageLen {
		return c, false
	}
	c.Port = binary.BigEndian.Uint16(body[4:])
	c.Unread, c.Unsent = binary.NativeEndian.Uint32(body[56:]), binary.NativeEndian.Uint32(body[60:])
	c.Inode = binary.NativeEndian.Uint32(body[68:])
	for attributes := body[messageLen:]; len(attributes) >= 4; {
		length := int(binary.NativeEndian.Uint16(attributes))
		if length < 4 || length > len(attributes) {
			break
		}
		if binary.NativeEndian.Uint16(attributes[2:]) == tcpInfo {
			var info unix.TCPInfo
			raw := unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info))
			copy(raw, attributes[4:length])
			c.SinceSent, c.SinceReceived, c.Received = info.Last_data_sent, info.Last_data_recv, info.Bytes_received
			c.Sent, c.SinceAck = info.Bytes_sent, info.Last_ack_recv
		}
		attributes = attributes[min((length+3)&^3, len(attributes)):]
	}
	return c, true
}

// parseListener reads a struct inet_diag_msg.
func parseListener(body []byte) (l Listener, ok bool) {
	if len(body) < messageLen {
		return l, false
	}
	ip := netip.AddrFrom16([16]byte(body[8:24]))
	if body[0] == unix.AF_INET {
		ip = netip.AddrFrom4([4]byte(body[8:12]))
	}
	l.Address = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(body[4:]))
	l.Inode = binary.NativeEndian.Uint32(body[68:])
	return l, true
}
