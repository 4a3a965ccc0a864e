//go:build !linux

package listeners_test

import "relevo/internal/testproc"

func roles() testproc.Roles { return nil }
