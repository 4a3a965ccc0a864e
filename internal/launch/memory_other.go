//go:build !linux

package launch

import (
	"errors"
	"fmt"
)

// Memory needs /proc.
func Memory(pid int) (bytes int64, err error) {
	return 0, fmt.Errorf("cannot read the memory of process %d: %w on this system", pid, errors.ErrUnsupported)
}
