package launch

import (
	"strings"
	"time"

	"relevo/internal/procfs"
)

// boot says of a worker that has bound nothing so far whether it still starts. Nothing else
// shows whether the first release of an app is a server, which must not count as ready before
// it binds, or serves no port at all: a program that starts computes, or reads its files.
type boot struct {
	until time.Time     // a program that computes without end is no server
	used  time.Duration // on processors by its processes, at the last look
}

const (
	longestBoot = 10 * time.Second
	bootLook    = 200 * time.Millisecond // between two looks
	idleUse     = 20 * time.Millisecond  // of processors, in that time
)

func newBoot() *boot { return &boot{until: time.Now().Add(longestBoot)} }

func (b *boot) goesOn(processes []int) bool {
	used, runs := time.Duration(0), false
	for _, pid := range processes {
		for _, thread := range procfs.Of(pid).Threads() {
			if stat, err := thread.Stat(); err == nil {
				used += stat.CPU()
				runs = runs || strings.IndexByte("RD", stat.State()) >= 0
			}
		}
	}
	before := b.used
	b.used = used
	return time.Now().Before(b.until) && (runs || used-before > idleUse)
}

// boots says whether the worker is of the first release of its app, and still starts.
func (p *Process) boots(b *boot) (boots bool) {
	if p.binder.sockets == nil || !p.binder.sockets.First() || p.binder.hasBound() {
		return false
	}
	p.release.launcher.looks.through(func() { boots = b.goesOn(p.processes()) })
	return boots
}
