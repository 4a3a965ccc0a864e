package succession

import (
	"time"

	"golang.org/x/sys/unix"
)

// signalWorker sends a signal to a worker of another master, by its pidfd.
func signalWorker(pidfd int, sig unix.Signal) { unix.PidfdSendSignal(pidfd, sig, nil, 0) }

// awaitWorker waits for the end of such a worker, and reaps it where it is this process's
// child. It says false when it takes longer.
func awaitWorker(pidfd int, deadline time.Time) bool {
	for {
		wait := max(0, time.Until(deadline).Milliseconds()+1)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(wait))
		if err == unix.EINTR {
			continue
		}
		if n > 0 {
			unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED|unix.WNOHANG, nil)
		}
		return n > 0
	}
}
