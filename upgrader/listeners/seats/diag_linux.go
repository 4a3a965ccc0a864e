package seats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/inet_diag.h and linux/sock_diag.h.
const (
	sockDiagByFamily = 20
	stateSynRecv     = 3
	stateNewSynRecv  = 12
	anyCookie        = ^uint32(0) // INET_DIAG_NOCOOKIE
)

type diagID struct {
	SourcePort, DestinationPort [2]byte // in network byte order
	Source, Destination         [16]byte
	Interface                   uint32
	Cookie                      [2]uint32
}

type diagRequest struct {
	Family, Protocol, Extensions, _ uint8
	States                          uint32
	ID                              diagID
}

type diagAnswer struct {
	Family, State, Timer, Retransmits uint8
	ID                                diagID
	Expires, ReadQueue, WriteQueue    uint32
	User, Inode                       uint32
}

// diag is a socket for questions to sock_diag(7).
type diag struct{ fd int }

func openDiag() (diag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	return diag{fd}, err
}

func (d diag) close() { unix.Close(d.fd) }

// underWay returns the unfinished handshakes of a listening address. On an IPv6 socket all of
// them have the family IPv6, also those of IPv4 clients.
func underWay(w where) (handshakes, error) {
	found := handshakes{}
	err := dump(w, 1<<stateSynRecv|1<<stateNewSynRecv, func(local, remote netip.AddrPort) {
		found[handshake{local, remote}] = struct{}{}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// connections calls each for the connections of a listening address, also for those that have
// just ended.
func connections(w where, each func(remote netip.AddrPort)) error {
	const states = 1<<unix.BPF_TCP_ESTABLISHED | 1<<unix.BPF_TCP_FIN_WAIT1 | 1<<unix.BPF_TCP_FIN_WAIT2 |
		1<<unix.BPF_TCP_TIME_WAIT |
		1<<unix.BPF_TCP_CLOSE_WAIT | 1<<unix.BPF_TCP_LAST_ACK | 1<<unix.BPF_TCP_CLOSING
	return dump(w, states, func(_, remote netip.AddrPort) { each(remote) })
}

// dump calls each for all sockets of a listening address in some states.
func dump(w where, states uint32, each func(local, remote netip.AddrPort)) error {
	d, err := openDiag()
	if err != nil {
		return err
	}
	defer d.close()
	request := diagRequest{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, States: states}
	if w.six {
		request.Family = unix.AF_INET6
	}
	binary.BigEndian.PutUint16(request.ID.SourcePort[:], w.address.Port())
	request.ID.Cookie = [2]uint32{anyCookie, anyCookie}
	bound := w.address.Addr().Unmap().WithZone("")
	return d.ask(request, unix.NLM_F_DUMP, func(a diagAnswer) {
		local, remote := a.ID.ends(a.Family)
		if bound.IsUnspecified() || bound == local.Addr() {
			each(local, remote)
		}
	})
}

// underWay says whether a handshake is unfinished.
func (d diag) underWay(one handshake) (yes bool, err error) {
	err = d.ask(exactly(one.local, one.remote), 0, func(a diagAnswer) {
		yes = a.State == stateSynRecv || a.State == stateNewSynRecv
	})
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return yes, err
}

// exactly looks up one end of a connection.
func exactly(local, remote netip.AddrPort) diagRequest {
	request := diagRequest{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP}
	if local.Addr().Is6() {
		request.Family = unix.AF_INET6
	}
	copy(request.ID.Source[:], local.Addr().AsSlice())
	copy(request.ID.Destination[:], remote.Addr().AsSlice())
	binary.BigEndian.PutUint16(request.ID.SourcePort[:], local.Port())
	binary.BigEndian.PutUint16(request.ID.DestinationPort[:], remote.Port())
	if zone, err := strconv.Atoi(local.Addr().Zone()); err == nil {
		request.ID.Interface = uint32(zone)
	}
	request.ID.Cookie = [2]uint32{anyCookie, anyCookie}
	return request
}

func (id diagID) ends(family uint8) (local, remote netip.AddrPort) {
	address := func(raw [16]byte) netip.Addr {
		if family == unix.AF_INET {
			return netip.AddrFrom4([4]byte(raw[:4]))
		}
		return netip.AddrFrom16(raw).Unmap()
	}
	return netip.AddrPortFrom(address(id.Source), binary.BigEndian.Uint16(id.SourcePort[:])),
		netip.AddrPortFrom(address(id.Destination), binary.BigEndian.Uint16(id.DestinationPort[:]))
}

// ask sends one request and calls each for every answer.
func (d diag) ask(request diagRequest, flags uint16, each func(diagAnswer)) error {
	size := unix.NLMSG_HDRLEN + int(unsafe.Sizeof(request))
	message := make([]byte, size)
	header := (*unix.NlMsghdr)(unsafe.Pointer(&message[0]))
	*header = unix.NlMsghdr{Len: uint32(size), Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST | flags}
	*(*diagRequest)(unsafe.Pointer(&message[unix.NLMSG_HDRLEN])) = request
	if err := unix.Sendto(d.fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 1<<15)
	for {
		n, _, err := unix.Recvfrom(d.fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		done, err := readAnswers(buffer[:n], each)
		if done || err != nil || flags&unix.NLM_F_DUMP == 0 {
			return err
		}
	}
}

func readAnswers(data []byte, each func(diagAnswer)) (done bool, err error) {
	for len(data) >= unix.NLMSG_HDRLEN {
		header := (*unix.NlMsghdr)(unsafe.Pointer(&data[0]))
		size := int(header.Len)
		if size < unix.NLMSG_HDRLEN || size > len(data) {
			return true, fmt.Errorf("internal error: a netlink message of %d bytes", size)
		}
		body := data[unix.NLMSG_HDRLEN:size]
		switch header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return true, unix.EBADMSG
			}
			return true, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
		case sockDiagByFamily:
			if len(body) >= int(unsafe.Sizeof(diagAnswer{})) {
				each(*(*diagAnswer)(unsafe.Pointer(&body[0])))
			}
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return false, nil
}
