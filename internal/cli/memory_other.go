//go:build !linux

package cli

// forgetStart is for Linux.
func forgetStart() {}
