//go:build !linux

// Package sockdiag needs Linux.
package sockdiag
