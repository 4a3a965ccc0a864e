//go:build !linux

package control

import (
	"net"
	"os"
	"syscall"
)

// peerUID relies on the mode of the socket: SO_PEERCRED does not exist here.
func peerUID(net.Conn) (uid int, err error) { return os.Geteuid(), nil }

// refuseDescriptors does nothing: SO_PASSRIGHTS does not exist here.
func refuseDescriptors(syscall.Conn) {}
