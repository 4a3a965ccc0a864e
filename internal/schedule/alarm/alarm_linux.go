package alarm

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// waitForClock also returns when the clock is set. able is false if the kernel gives no timer, for
// example because all file descriptors are in use.
func waitForClock(ctx context.Context, until time.Time) (able bool, err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return false, nil
	}
	timer := os.NewFile(uintptr(fd), "timer")
	defer timer.Close()
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(max(until.UnixNano(), 1))}
	if unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &at, nil) != nil {
		return false, nil
	}
	stop := context.AfterFunc(ctx, func() { timer.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	timer.Read(make([]byte, 8)) // fails with ECANCELED when the clock is set
	return true, ctx.Err()
}
