//go:build !linux

package ipc

// roles are the child processes of these tests.
var roles map[string]func() error
