package reaper

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// Needed says whether the kernel gives orphans to this process.
func Needed() bool {
	if os.Getpid() == 1 {
		return true
	}
	subreaper := int32(0)
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&subreaper)), 0, 0, 0)
	return err == nil && subreaper != 0
}

// Run reaps orphans until ctx ends.
func (r *Reaper) Run(ctx context.Context) {
	// One is enough: a signal that comes while another waits asks for the same sweep.
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	defer signal.Stop(died)
	r.lookAgain() // for those that died before
	for {
		select {
		case <-ctx.Done():
			return
		case <-died:
		case <-r.again:
		}
		if reaped := r.sweep(); reaped > 0 {
			r.log.Debug("orphans reaped", "count", reaped)
		}
	}
}

// batch bounds how long the start of a worker waits for a sweep.
const batch = 128

// sweep reaps the dead orphans. A call that holds it off, or an own child that hides orphans from
// it, asks for another sweep when it is done.
func (r *Reaper) sweep() (reaped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.holds == 0 {
		pid := firstDead()
		if pid == 0 {
			return reaped
		}
		if _, own := r.own[pid]; own {
			return reaped + r.sweepBehindLocked()
		}
		if !reap(pid) {
			return reaped
		}
		if reaped++; reaped%batch == 0 {
			r.mu.Unlock()
			r.mu.Lock()
		}
	}
	return reaped
}

// sweepBehindLocked reaps orphans that waitid does not return because an own dead child comes
// before them. It looks at all children, which takes longer, and which the kernel calls unreliable
// while some of them end (proc_pid_task(5)): once the own child is reaped, Reap asks for another
// sweep.
func (r *Reaper) sweepBehindLocked() (reaped int) {
	for _, pid := range children() {
		if _, own := r.own[pid]; !own && reap(pid) {
			reaped++
		}
	}
	return reaped
}

// childInfo is the beginning of siginfo_t as waitid(2) fills it in.
type childInfo struct {
	signo, errno, code int32
	_                  [unsafe.Sizeof(uintptr(0)) - 4]byte // the union after it is aligned as a pointer is
	pid                int32
}

// firstDead returns a child that is dead and not reaped, 0 if there is none.
func firstDead() int {
	var info unix.Siginfo
	if !waitid(unix.P_ALL, 0, &info, unix.WNOWAIT) {
		return 0
	}
	return int((*childInfo)(unsafe.Pointer(&info)).pid)
}

// reap says whether this child was dead, and reaps it.
func reap(pid int) bool {
	var info unix.Siginfo
	return waitid(unix.P_PID, pid, &info, 0) && (*childInfo)(unsafe.Pointer(&info)).pid != 0
}

func waitid(kind, id int, info *unix.Siginfo, flags int) bool {
	for {
		err := unix.Waitid(kind, id, info, unix.WEXITED|unix.WNOHANG|flags, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// children are all children of this process, by the thread that they belong to.
func children() []int {
	pids, _ := procfs.Self.Children()
	return pids
}
