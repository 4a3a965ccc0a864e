//go:build !linux

package succession

import (
	"syscall"
	"time"
)

// A pidfd needs Linux.
func signalWorker(int, syscall.Signal) {}

func awaitWorker(int, time.Time) bool { return true }
