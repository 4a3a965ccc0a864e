package control

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// peerUID asks the kernel who connected (SO_PEERCRED, unix(7)).
func peerUID(conn net.Conn) (uid int, err error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return -1, err
	}
	uid = -1
	var failed error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); failed == nil {
			uid = int(cred.Uid)
		}
	})
	return uid, errors.Join(err, failed)
}
