package prove

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// class is the way in which a request was lost. The last two classes are limits of the prover: such
// a request was never sent, and does not count as lost.
type class uint8

const (
	refused class = iota
	reset
	eof
	timedOut
	status5xx
	other
	localPorts
	localFiles
	classes // number of classes
)

func (c class) String() string {
	switch c {
	case refused:
		return "refused"
	case reset:
		return "reset"
	case eof:
		return "eof"
	case timedOut:
		return "timeout"
	case status5xx:
		return "status_5xx"
	case other:
		return "other"
	case localPorts:
		return "local_ports"
	case localFiles:
		return "local_files"
	}
	return fmt.Sprintf("internal error: class %d", uint8(c))
}

// ours says that the prover failed, not the app.
func (c class) ours() bool { return c == localPorts || c == localFiles }

// broken says that the peer ended the connection, as a worker's death does.
func (c class) broken() bool { return c == reset || c == eof }

// classifyDial finds the class of an error of connect.
func classifyDial(network string, err error) class {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	// Before the timeouts: Go calls EAGAIN a timeout, but connect(2) to a Unix
	// socket returns it at once when the backlog is full.
	case network == "unix" && (errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.EAGAIN)):
		return refused
	// Without a free port bind(2) returns EADDRINUSE, and connect(2) EADDRNOTAVAIL.
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return localPorts
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return localFiles
	}
	return classify(err)
}

// classify finds the class of an error of an open connection.
func classify(err error) class {
	var n net.Error
	var status statusError
	switch {
	case errors.As(err, &status) && status/100 == 5:
		return status5xx
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return eof
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return timedOut
	}
	return other
}

// several are several errors on one line.
type several []error

func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// join adds a second error to the first, if there is one.
func join(first, second error) error {
	if second == nil {
		return first
	}
	return several{first, second}
}

// Unwrap lets errors.Is and errors.As find each of them.
func (s several) Unwrap() []error { return s }
