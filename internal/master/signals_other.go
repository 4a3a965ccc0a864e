//go:build !linux

package master

import "os"

// onlyLinux are signals that other systems do not have.
func onlyLinux() []os.Signal { return nil }
