//go:build !linux

package ipc

import (
	"errors"
	"os"
)

// NotifyServer needs SCM_CREDENTIALS to know who sent a datagram, which only
// Linux has in the form that sd_notify(3) relies on. Elsewhere workers say ready
// on their channel.
type NotifyServer struct{}

// ListenNotify returns an error outside of Linux.
func ListenNotify(string) (*NotifyServer, error) {
	return nil, errors.New("cannot listen for the workers' notifications: the notify socket needs Linux")
}

// TakeOverNotify returns an error outside of Linux.
func TakeOverNotify(path string, socket *os.File) (*NotifyServer, error) {
	socket.Close()
	return ListenNotify(path)
}

// File returns an error.
func (s *NotifyServer) File() (*os.File, error) { return nil, errors.ErrUnsupported }

// Pause does nothing.
func (s *NotifyServer) Pause() error { return nil }

// Resume does nothing.
func (s *NotifyServer) Resume() error { return nil }

// OnFlood does nothing.
func (s *NotifyServer) OnFlood(func(Sender, Flood)) {}

// OnSlowClose does nothing.
func (s *NotifyServer) OnSlowClose(func(Sender)) {}

// GiveTo does nothing.
func (s *NotifyServer) GiveTo(int, int) error { return nil }

// Serve returns at once.
func (s *NotifyServer) Serve(func(Sender, Notification)) error { return nil }

// Close does nothing.
func (s *NotifyServer) Close() error { return nil }
