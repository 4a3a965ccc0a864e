//go:build !linux

package launch

import (
	"os"

	"relevo/internal/launch/shim"
)

// execsByDescriptor returns false: only Linux has execveat(2).
func execsByDescriptor() bool { return false }

func calls() shim.Calls { return shim.Calls{} }

// openDir opens a directory to enter it later.
func openDir(path string) (*os.File, error) { return os.Open(path) }

// runs returns false: only Linux shows it.
func runs(int, *os.File) bool { return false }

// hasArguments returns false: only Linux shows it.
func hasArguments(int, []string) bool { return false }
