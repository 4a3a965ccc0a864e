//go:build !unix

package worker

import (
	"errors"
	"net"
)

// Missing here: inherited sockets, the channel to the master, and the last look for arrived bytes before an
// idle connection is closed. Programs run without a master.

func describe(int) (stream bool, addr net.Addr, err error) {
	return false, nil, errors.New("inherited sockets need a Unix system")
}

func isStream(int) bool { return false }

func closeOnExec(int) {}

func arrived(net.Conn) bool { return false }
