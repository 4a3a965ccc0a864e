package control

import (
	"errors"
	"net"
	"syscall"

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

// refuseDescriptors has the kernel refuse descriptors that clients send (SO_PASSRIGHTS,
// Linux 6.16). Without that, a descriptor that is never read is closed together with its
// connection, and its close may take as long as the sender likes. Accepted connections
// inherit the option.
func refuseDescriptors(socket syscall.Conn) {
	const soPassRights = 83
	if raw, err := socket.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, soPassRights, 0) })
	}
}
