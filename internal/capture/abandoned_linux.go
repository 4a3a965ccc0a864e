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

// A search for an abandoned bind takes a few looks: a thread that has just entered bind has
// no notification yet.
const (
	abandonedLooks = 3
	betweenLooks   = 5 * time.Millisecond
	mostPending    = 1000 // how many binds are answered before a look
)

// Resume is called before Serve if another master has read the notifications before. It
// answers the binds that wait. Then it says whether a thread of the processes is stopped in
// a bind that the other master had received but not answered when it died. The kernel gives
// such a bind to no other reader, so the thread waits until its process ends.
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
			return false // it binds again and again, so the looks show nothing
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

// stoppedInBind returns the threads that are in bind(2), with the arguments of the call
// (proc_pid_syscall(5)).
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
