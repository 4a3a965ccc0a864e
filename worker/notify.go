package worker

import (
	"fmt"
	"net"
	"strings"
)

// notify sends state, "READY=1" for example, to a notify socket: the datagram
// protocol of sd_notify(3). A leading "@" marks an abstract address, which
// package net understands as it is.
func notify(socket, state string) error {
	if socket[0] != '/' && socket[0] != '@' {
		return fmt.Errorf("cannot notify NOTIFY_SOCKET=%q: only unix sockets are supported", socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("cannot notify the master: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("cannot notify the master: %w", err)
	}
	return nil
}

// oneLine keeps a text from adding lines, which are assignments, to a datagram.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
