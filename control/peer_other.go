//go:build !linux

package control

import (
	"net"
	"os"
)

// peerUID trusts the mode of the socket where SO_PEERCRED does not exist.
func peerUID(net.Conn) (uid int, err error) { return os.Geteuid(), nil }
