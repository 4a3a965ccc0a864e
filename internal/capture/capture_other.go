//go:build !linux

package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// ErrNested: a process above this one has captured its binds already.
var ErrNested = errors.New("cannot capture bind: it is captured already")

// ErrEnded is returned by Serve when no process is left that could bind.
var ErrEnded = errors.New("capture: the worker's last process is gone")

func unsupported() error {
	return fmt.Errorf("cannot capture bind on %s: it needs Linux: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Probe says that this system has no such filter.
func Probe() error { return unsupported() }

// Notifications is the master's end of a worker's filter.
type Notifications struct{}

// Open says that this system has no such filter.
func Open(*os.File) (*Notifications, error) { return nil, unsupported() }

func (*Notifications) File() *os.File                       { return nil }
func (*Notifications) Serve(func(Bind) Answer) error        { return unsupported() }
func (*Notifications) Resume([]int, func(Bind) Answer) bool { return false }
func (*Notifications) Stop()                                {}
func (*Notifications) Close() error                         { return nil }
func (*Notifications) Blind() error                         { return nil }

// Announced is what the shim has said about its filter.
type Announced struct {
	Notifications   *os.File
	NoNewPrivileges bool
	Reason          string
}

// Receive reads the channel to its end.
func Receive(channel *os.File) (a Announced, rest []byte, err error) {
	rest, err = io.ReadAll(channel)
	return Announced{Reason: unsupported().Error()}, rest, err
}

// MayBind is not called on this system.
func MayBind(int, uint16) bool { return false }

// SharePort is not called on this system.
func (Bind) SharePort() error { return unsupported() }

// Request says that this system has no such filter.
func Request(int, Address, Socket) (Bind, error) { return Bind{}, unsupported() }
