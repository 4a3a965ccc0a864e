package capture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An abandoned bind is looked for a few times: a thread that has just entered bind is
// not among the notifications for a moment.
const (
	abandonedLooks = 3
	betweenLooks   = 5 * time.Millisecond
	mostPending    = 1000 // binds that are answered before the look
)

// Resume is to be called before Serve by a reader that goes on after another one: it
// answers the binds that wait. Then it says whether a thread of the processes is stopped
// in a bind that the other reader had received when it died. The kernel shows such a bind
// to no one else, and only the end of the process ends it.
func (n *Notifications) Resume(processes []int, answer func(Bind) Answer) (abandoned bool) {
	var stopped map[string]bool
	for look := range abandonedLooks {
		for range mostPending {
			if !n.pending() {
				break
			}
			request, err := n.next()
			if err != nil {
				return false
			}
			n.handle(request, answer)
		}
		if look > 0 {
			time.Sleep(betweenLooks)
		}
		now := stoppedInBind(processes)
		if n.pending() {
			return false // it binds without end, so that nothing can be told
		}
		for thread := range stopped {
			if !now[thread] {
				delete(stopped, thread)
			}
		}
		if look == 0 {
			stopped = now
		}
		if len(stopped) == 0 {
			return false
		}
	}
	return true
}

// pending says whether a notification waits, without waiting for one.
func (n *Notifications) pending() (waits bool) {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(poll, 0)
			if !errors.Is(err, unix.EINTR) {
				waits = err == nil && poll[0].Revents&unix.POLLIN != 0
				return
			}
		}
	})
	return waits
}

// stoppedInBind are the threads of processes that are in bind(2) (proc_pid_syscall(5)),
// with the arguments of the call.
func stoppedInBind(processes []int) map[string]bool {
	threads := map[string]bool{}
	for _, pid := range processes {
		paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		for _, path := range paths {
			call, err := os.ReadFile(path)
			if err == nil && strings.HasPrefix(string(call), strconv.Itoa(unix.SYS_BIND)+" ") {
				threads[path+" "+string(call)] = true
			}
		}
	}
	return threads
}
