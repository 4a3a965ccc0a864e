//go:build !linux

package succession

import (
	"syscall"
	"time"
)

// A pidfd needs Linux.
func signalLeft(int, syscall.Signal) {}

func awaitLeft(int, time.Time) bool { return true }
