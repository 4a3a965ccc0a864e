package hangup

import (
	"os"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// hasTerminal says whether the session of this process has a terminal now.
func hasTerminal() bool {
	stat, err := procfs.Self.Stat()
	return err == nil && stat.HasTerminal()
}

func session() int {
	id, err := unix.Getsid(0)
	if err != nil {
		return 0
	}
	return id
}

// leader is the process that leads the session. A nil leader cannot be followed.
type leader struct {
	pidfd *os.File
	done  chan struct{} // closed when no goroutine waits any more
}

// followLeader calls back once when the process has ended. It waits in the runtime's
// poller, without a thread.
func followLeader(pid int, ended func()) *leader {
	if pid <= 0 {
		return nil // it is in another namespace
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err == unix.ESRCH {
		ended()
		return nil
	}
	if err != nil {
		return nil
	}
	l := &leader{pidfd: os.NewFile(uintptr(fd), "leader of the session"), done: make(chan struct{})}
	conn, err := l.pidfd.SyscallConn()
	if err != nil {
		l.pidfd.Close()
		return nil
	}
	go func() {
		defer close(l.done)
		if conn.Read(readable) == nil {
			ended()
		}
	}()
	return l
}

func readable(fd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0
}

func (l *leader) hasEnded() (ended bool) {
	if l == nil {
		return false
	}
	conn, err := l.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) { ended = readable(fd) })
	return ended
}

func (l *leader) close() {
	if l != nil {
		l.pidfd.Close()
		<-l.done
	}
}
