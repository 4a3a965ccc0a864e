// Package sockdiag asks the kernel for the connections of this network namespace, and for the
// sockets that listen (sock_diag(7), <linux/inet_diag.h>, <linux/unix_diag.h>). It also reads the
// addresses of single sockets.
package sockdiag

import "net/netip"

// Listener is a TCP socket that listens.
type Listener struct {
	Address netip.AddrPort
	Inode   uint32
}

// LocalSocket is a Unix socket.
type LocalSocket struct {
	Inode uint32
	// Accepted: it is the server's end of a connection. Such a socket has the name of the one that
	// listens.
	Accepted bool
}

// Connection is the server's end of an established TCP connection.
type Connection struct {
	Port     uint16 // its own
	Inode    uint32
	Unread   uint32 // bytes that have arrived and were not read
	Unsent   uint32 // bytes that were written and not acknowledged
	Received uint64 // bytes since its beginning
	Sent     uint64 // bytes since its beginning

	SinceSent, SinceReceived uint32 // milliseconds since data passed last
	SinceAck                 uint32 // milliseconds since the client acknowledged something
}
