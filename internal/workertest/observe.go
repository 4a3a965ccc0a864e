package workertest

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// observe makes a silent worker ready when the kernel shows that it waits on the
// master's listener: by an epoll set that contains it (proc_pid_fdinfo(5)). The
// descriptor that it inherited does not count.
func (w *Worker) observe(listener syscall.Conn) {
	socket := ""
	if raw, err := listener.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { socket, _ = os.Readlink(fmt.Sprint("/proc/self/fd/", fd)) })
	}
	for {
		select {
		case <-w.exited:
			return
		case <-time.After(2 * time.Millisecond):
		}
		if socket != "" && waits(w.PID, socket) {
			w.once.Do(func() { close(w.ready) })
			return
		}
	}
}

func waits(pid int, socket string) bool {
	dir := fmt.Sprintf("/proc/%d/", pid)
	fds, _ := os.ReadDir(dir + "fd")
	for _, set := range fds {
		info, err := os.ReadFile(dir + "fdinfo/" + set.Name())
		if err != nil || !strings.Contains(string(info), "tfd:") {
			continue
		}
		for _, line := range strings.Split(string(info), "\n") {
			var member int
			if _, err := fmt.Sscanf(line, "tfd: %d", &member); err != nil || member == 3 {
				continue
			}
			if link, _ := os.Readlink(fmt.Sprint(dir, "fd/", member)); link == socket {
				return true
			}
		}
	}
	return false
}
