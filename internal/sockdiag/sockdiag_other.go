//go:build !linux

package sockdiag

import "errors"

// Listening is for Linux.
func Listening() ([]Listener, error) { return nil, errors.ErrUnsupported }
