package launch

import (
	"cmp"
	"fmt"
	"time"

	"relevo/pool"
)

// boundByThen is how long a worker may take to bind an address before the missing address
// is given as the reason why it is not ready.
const boundByThen = 2 * time.Second

// tellUnbound reports, for a worker that is not ready, that it has opened no port, or only
// a port that relevo has not seen.
func (p *Process) tellUnbound() (told bool) {
	if p.isSettled() || p.ready.hasSpoken() || p.binder.hasBound() {
		return false
	}
	if d := p.awaitedDebugger(); d != nil {
		p.waitsFor(d)
		return true
	}
	if !p.ready.accepts() {
		return false
	}
	hint, listeners := cmp.Or(p.addressTaken(), bindsNothing), p.release.command.Listeners
	if server, address := listensByItself(kin(p.pid), inodesOf(p.binder.observable(listeners))); server != nil {
		if len(listeners) > 0 {
			return false // the hint of obstacle says why it does not use them
		}
		hint = fmt.Sprintf(bindsUnseen, server, address)
	}
	if p.binder.hasBound() { // meanwhile
		return false
	}
	p.observed(pool.Obstructed{Hint: hint})
	return true
}

const bindsUnseen = "%s listens on %s, and relevo has not seen it bind that: --ready delay=2s, or READY=1 to " +
	"NOTIFY_SOCKET, says when it is ready"

const bindsNothing = "it runs, and has bound no address so far: --ready-timeout gives a slow one more time; " +
	"one that serves on no port, as a queue worker, gets ready by --ready delay=2s, or by READY=1 to " +
	"NOTIFY_SOCKET, and needs no -l; where it takes the socket of another process, or opens its port by io_uring, " +
	"relevo does not see it: --ready delay=2s"
