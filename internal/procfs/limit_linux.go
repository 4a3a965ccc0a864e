package procfs

import (
	"math"

	"golang.org/x/sys/unix"
)

// FileLimit is how many descriptors a process may have open. If prlimit(2) fails, it reads the text
// in /proc.
func FileLimit(pid int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil || limit.Cur > math.MaxInt {
		return Of(pid).fileLimit()
	}
	return int(limit.Cur), nil
}
