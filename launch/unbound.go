package launch

import (
	"time"

	"relevo/pool"
)

// boundByThen is how long a program may take to bind an address before that is said of a
// worker which is not ready.
const boundByThen = 2 * time.Second

// tellUnbound says of a worker that is not ready that it has opened no port, if that is so.
func (p *Process) tellUnbound() (told bool) {
	if p.isSettled() || !p.ready.accepts() || p.ready.hasSpoken() || p.binder.hasBound() {
		return false
	}
	if p.obstacle() != "" { // it listens where relevo does not see it bind
		return false
	}
	p.observed(pool.Obstructed{Hint: bindsNothing})
	return true
}

const bindsNothing = "it runs, and has bound no address so far: --ready-timeout gives a slow one more time; one that serves on no port, as a queue " +
	"worker, gets ready by --ready delay=2s, or by READY=1 to NOTIFY_SOCKET, and needs no -l; where it takes the socket of another process, or opens " +
	"its port by io_uring, relevo does not see it: --ready delay=2s"
