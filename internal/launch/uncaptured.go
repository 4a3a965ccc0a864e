package launch

import (
	"relevo/internal/launch/advice"
	"relevo/pool"
)

// goesUncaptured notes why binds cannot be captured here. This is only logged for debugging,
// because most programs take their sockets from relevo. The hint of a worker that fails
// because of it contains the reason (uncaptured).
func (l *Launcher) goesUncaptured(reason string) {
	if before := l.uncaptured.Swap(&reason); before == nil {
		l.opts.Log.Debug("programs that bind their own port cannot share it", "err", reason)
	}
}

// uncaptured returns the end of a hint about a program that binds by itself: why relevo did
// not give it a socket. It is empty if binds are captured.
func (p *Process) uncaptured() string {
	reason := p.binder.blindness()
	if unfiltered := p.release.launcher.uncaptured.Load(); unfiltered != nil && p.binder.file() == nil {
		reason = *unfiltered
	}
	if p.binder.sockets == nil || reason == "" {
		return ""
	}
	return "; relevo could not give the program its socket when it bound the address: " + reason +
		" (relevo doctor says more)"
}

// noPrivileges explains the end of a program that runs a set-user-ID program.
func (p *Process) noPrivileges() string {
	if p.asked.Load() || !p.release.launcher.noNewPrivs.Load() || !advice.Unprivileged(p.tail.lines()) {
		return ""
	}
	return "set-user-ID programs (sudo, ping) give workers no privileges, because the kernel wants no_new_privs for " +
		"the capture of binds by a relevo without CAP_SYS_ADMIN: --capture off lifts that, and the program takes " +
		"its sockets from relevo"
}

// refuse notes why a bind was not captured, nil if it was.
func (b *binder) refuse(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if why != nil {
		b.refused = why
	}
}

// refusedAddress explains the failure of a program that got no socket for an address.
func (p *Process) refusedAddress(status pool.ExitStatus) string {
	p.binder.mu.Lock()
	refused := p.binder.refused
	p.binder.mu.Unlock()
	if refused == nil || p.asked.Load() || status.Signal == 0 && status.Code == 0 {
		return ""
	}
	return refused.Error()
}

// blindness says why a bind of the worker could not be examined, empty if all could.
func (b *binder) blindness() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notifications == nil || b.notifications.Blind() == nil {
		return ""
	}
	return b.notifications.Blind().Error()
}
