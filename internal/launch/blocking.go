package launch

import (
	"fmt"

	"golang.org/x/sys/unix"

	"relevo/internal/launch/advice"
)

// wouldBlock explains the end of a simple program that expects blocking listeners and got
// non-blocking ones.
func (p *Process) wouldBlock() string {
	if p.asked.Load() || !advice.WouldBlock(p.tail.lines()) {
		return ""
	}
	for i, l := range p.release.command.Listeners {
		if flags, err := unix.FcntlInt(l.File.Fd(), unix.F_GETFL, 0); err == nil && flags&unix.O_NONBLOCK != 0 {
			return fmt.Sprintf("accept and recv on the listeners do not wait (%s); for a program without an event loop: "+
				"--blocking, or ,blocking after one listener", p.listenerText(i))
		}
	}
	return ""
}
