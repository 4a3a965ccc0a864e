//go:build !linux

package listeners

import "relevo/internal/config"

// maxBacklog is what other kernels commonly allow (kern.ipc.somaxconn).
func maxBacklog() int { return 128 }

func (s *Set) hasPort(config.Listen) bool { return false }

func unprivilegedPortStart() int { return 1024 }

// portHolder needs /proc; elsewhere it names no process.
func portHolder(config.Listen) (pid int, name string) { return 0, "" }
