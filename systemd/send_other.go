//go:build !linux

package systemd

import (
	"errors"
	"time"
)

// send fails: systemd exists only on Linux.
func send(string, string, []int, time.Duration) error {
	return errors.New("cannot notify a service manager: systemd runs on Linux only")
}
