//go:build !linux

package listeners

import (
	"context"
	"errors"
)

// AwaitClient is for Linux.
func (s *Set) AwaitClient(context.Context) error { return errors.ErrUnsupported }
