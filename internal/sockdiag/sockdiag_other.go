//go:build !linux

package sockdiag

import "errors"

// Listening is for Linux.
func Listening() ([]Listener, error) { return nil, errors.ErrUnsupported }

// Established is for Linux.
func Established([]uint16) ([]Connection, error) { return nil, errors.ErrUnsupported }
