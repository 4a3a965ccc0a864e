//go:build !linux

package master

import (
	"syscall"
	"time"
)

// A pidfd needs Linux.
func signalLeft(int, syscall.Signal) {}

func awaitLeft(int, time.Time) bool { return true }
