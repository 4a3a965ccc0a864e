//go:build !linux

package cli

import "relevo/internal/procfs"

// forget is for Linux.
func forget([]procfs.Mapping) {}
