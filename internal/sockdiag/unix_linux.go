package sockdiag

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Of <linux/unix_diag.h>.
const (
	unixRequestLen = 16 + 24 // struct nlmsghdr, struct unix_diag_req
	unixMessageLen = 16      // struct unix_diag_msg
	unixName       = 0       // UNIX_DIAG_NAME
	unixQueue      = 4       // UNIX_DIAG_RQLEN
	anySocket      = ^uint32(0)
	anyState       = ^uint32(0)
)

// Local lists all Unix sockets.
func Local() (all []LocalSocket, err error) {
	request := unixRequest{states: anyState, show: 1 << unixName, dump: true}
	err = request.ask(func(body []byte) {
		_, named := attribute(body, unixName)
		all = append(all, LocalSocket{
			Inode:    binary.NativeEndian.Uint32(body[4:]),
			Accepted: named && body[2] == unix.BPF_TCP_ESTABLISHED,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list Unix sockets: %w", err)
	}
	return all, nil
}

// WaitingLocally counts the connections that wait at a listening Unix socket.
func WaitingLocally(inode uint32) (waiting int, err error) {
	request := unixRequest{states: listening, inode: inode, show: 1 << unixQueue}
	err = request.ask(func(body []byte) {
		if queue, ok := attribute(body, unixQueue); ok && len(queue) >= 4 {
			waiting = int(binary.NativeEndian.Uint32(queue))
		}
	})
	if err != nil {
		return 0, fmt.Errorf("cannot see how many connections wait at a Unix socket: %w", err)
	}
	return waiting, nil
}

// unixRequest is a struct unix_diag_req: about one socket, or with dump about all.
type unixRequest struct {
	states, inode, show uint32
	dump                bool
}

func (r unixRequest) ask(found func(body []byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	flags := uint16(unix.NLM_F_REQUEST)
	if r.dump {
		flags |= unix.NLM_F_DUMP
	}
	request := make([]byte, unixRequestLen)
	binary.NativeEndian.PutUint32(request[0:], unixRequestLen)
	binary.NativeEndian.PutUint16(request[4:], byFamily)
	binary.NativeEndian.PutUint16(request[6:], flags)
	request[16] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(request[20:], r.states)
	binary.NativeEndian.PutUint32(request[24:], r.inode)
	binary.NativeEndian.PutUint32(request[28:], r.show)
	binary.NativeEndian.PutUint32(request[32:], anySocket)
	binary.NativeEndian.PutUint32(request[36:], anySocket)
	return converse(fd, request, r.dump, func(body []byte) {
		if len(body) >= unixMessageLen {
			found(body)
		}
	})
}

// attribute finds an attribute behind a struct unix_diag_msg.
func attribute(body []byte, kind uint16) (value []byte, found bool) {
	for rest := body[unixMessageLen:]; len(rest) >= 4; {
		length := int(binary.NativeEndian.Uint16(rest))
		if length < 4 || length > len(rest) {
			break
		}
		if binary.NativeEndian.Uint16(rest[2:]) == kind {
			return rest[4:length], true
		}
		rest = rest[min((length+3)&^3, len(rest)):]
	}
	return nil, false
}
