//go:build !linux

// Package procfs needs Linux.
package procfs
