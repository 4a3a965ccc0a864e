//go:build !linux

package upgrader

import (
	"context"
	"errors"
)

// AwaitClient is for Linux.
func (u *Upgrader) AwaitClient(context.Context) error { return errors.ErrUnsupported }
