package ipc

import (
	"io"
	"os"
)

// outgoing is a line that waits to be sent, with its newline, and a descriptor that goes with its
// first byte.
type outgoing struct {
	line []byte
	file *os.File // nil: none
}

// write returns how many bytes were sent.
func (o outgoing) write(conn io.Writer) (n int, err error) {
	if socket, able := conn.(*os.File); able && o.file != nil {
		if n, err = sendWith(socket, o.line, o.file); err != nil {
			return n, err
		}
	}
	rest, err := conn.Write(o.line[n:])
	return n + rest, err
}

// after returns what is left to send when n bytes were sent.
func (o outgoing) after(n int) outgoing {
	if n > 0 {
		o.file = nil
	}
	o.line = o.line[n:]
	return o
}
