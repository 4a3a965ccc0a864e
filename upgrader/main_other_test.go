//go:build !linux

package upgrader_test

import "relevo/internal/testproc"

func roles() testproc.Roles { return nil }
