//go:build !linux

package systemd

import (
	"errors"
	"time"
)

// ReapOptions are those of Reap.
type ReapOptions struct {
	Getenv   func(string) string
	Patience time.Duration
	Prevents []string
	Guard    []string
}

// Reap fails: systemd exists only on Linux.
func Reap(ReapOptions) (int, error) {
	return 0, errors.New("cannot reap: systemd runs on Linux only")
}

// EndOthers does nothing: no process belongs to a service.
func EndOthers(func(string) string, time.Duration, func(int, string) bool) (int, error) {
	return 0, nil
}

// EndAll does nothing: without pidfds it is not certain which process a pid means.
func EndAll(time.Duration, func(int) bool) (int, error) { return 0, nil }

// Guard fails as Reap does.
func Guard(time.Duration) (int, error) { return Reap(ReapOptions{}) }
