package ask

import "golang.org/x/sys/unix"

// awaitDeath returns when a child is dead, and leaves it to be reaped. It returns false if the system
// cannot tell.
func awaitDeath(pid int) bool {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	return true
}
