//go:build !linux

package store

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// reflink exists on Linux only. On other systems the bytes are copied.
func reflink(_, _ *os.File) error { return errors.ErrUnsupported }

// changeTime exists on Linux only. Other systems compare size and modification time.
func changeTime(*syscall.Stat_t) time.Time { return time.Time{} }
