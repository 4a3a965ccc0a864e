//go:build !linux

package listeners

import "os"

// hangups needs epoll; elsewhere a listener that was shut down stays so.
type hangups struct{}

func watchHangups(func()) (*hangups, error) { return nil, nil }

func (h *hangups) add(*Listener)    {}
func (h *hangups) remove(*Listener) {}
func (h *hangups) close()           {}

func (h *hangups) addSeat(*os.File) {}
