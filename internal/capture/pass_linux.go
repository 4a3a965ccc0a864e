package capture

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"relevo/internal/capture/filter"
)

// Announced is what the shim has said about its filter.
type Announced struct {
	Notifications   *os.File // nil: there is no filter
	NoNewPrivileges bool
	Reason          string // why there is no filter
}

// Receive reads the shim's channel to its end: what filter.Announce has sent, and the rest.
func Receive(channel *os.File) (a Announced, rest []byte, err error) {
	raw, err := channel.SyscallConn()
	if err != nil {
		return a, nil, err
	}
	var all []byte
	for {
		buffer, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
		var n, oobn int
		var failed error
		err = raw.Read(func(fd uintptr) bool {
			n, oobn, _, _, failed = unix.Recvmsg(int(fd), buffer, oob, unix.MSG_CMSG_CLOEXEC)
			return !errors.Is(failed, unix.EAGAIN) && !errors.Is(failed, unix.EINTR)
		})
		if a.Notifications == nil {
			a.Notifications = received(oob[:oobn])
		}
		if all = append(all, buffer[:max(n, 0)]...); n <= 0 || errors.Join(err, failed) != nil {
			break
		}
	}
	rest = a.read(all)
	return a, rest, nil
}

func received(oob []byte) *os.File {
	if len(oob) == 0 {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil
	}
	return os.NewFile(uintptr(fds[0]), "bind notifications")
}

func (a *Announced) read(all []byte) (rest []byte) {
	if len(all) == 0 {
		return nil
	}
	switch all[0] {
	case filter.Captured:
		return all[1:]
	case filter.NoNewPrivileges:
		a.NoNewPrivileges = true
		return all[1:]
	case filter.Uncaptured:
		for i, b := range all {
			if b == '\n' {
				a.Reason = string(all[1:i])
				return all[i+1:]
			}
		}
	}
	return all
}
