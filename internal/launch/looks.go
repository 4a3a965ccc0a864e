package launch

import (
	"time"

	"relevo/pool"
)

// watchReadiness runs until the worker is ready, and never again.
func (p *Process) watchReadiness() {
	var alive, tick <-chan time.Time
	after, how, delayed := p.ready.delay(p.binder.expected())
	living := lifetime{how: how, start: newBoot()}
	if delayed {
		living.timer = time.NewTimer(after)
		defer living.timer.Stop()
		alive = living.timer.C
	}
	if p.ready.ownWord {
		p.observed(pool.Obstructed{Hint: missesWord})
	}
	look := p.newLook()
	if look != nil {
		ticker := time.NewTicker(observeEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for alive != nil || tick != nil {
		select {
		case <-alive:
			if p.hasLived(living) {
				alive = nil
			}
		case <-tick:
			if p.observe(look) {
				tick = nil
			}
		case <-p.settled:
			return
		case <-p.detached:
			return
		}
	}
}

// lifetime is the time after which a worker that lives counts as ready.
type lifetime struct {
	how   string
	start *boot
	timer *time.Timer
}

// hasLived handles the end of that time. It returns false, and sets the timer again, if the
// worker needs more.
func (p *Process) hasLived(l lifetime) bool {
	if d := p.awaitedDebugger(); d != nil {
		p.waitsFor(d)
		l.timer.Reset(aliveFor)
		return false
	}
	p.waitsFor(nil)
	if l.how == byLiving && p.boots(l.start) {
		l.timer.Reset(bootLook)
		return false
	}
	if l.how == "delay" || !p.ready.hasSpoken() && !p.binder.hasBound() {
		p.isReady(l.how)
	}
	return true
}

// observe looks whether the worker waits on a listener. It returns true if looks no longer
// count, because the worker has to say by itself that it is ready.
func (p *Process) observe(look *twoLooks) bool {
	agree := look.agree()
	if p.ready.hasSpoken() || p.binder.hasOwn() {
		return true
	}
	if agree {
		p.release.launcher.looks.through(p.warnOfWrapper) // before it can be asked to leave
		p.isReady("observed")
	} else if len(p.release.command.Listeners) > 0 {
		p.release.launcher.looks.through(look.obstacles.look)
	}
	return false
}

const missesWord = "the workers of the release that serves said themselves that they were ready (READY=1, " +
	"or {\"relevo\":\"ready\"}), and this one has said nothing; relevo reload --force takes a release that does not, " +
	"if it is seen to serve, --ready delay=2s one that never says anything, and --ready-timeout gives a slow one more time"

// twoLooks looks whether a worker waits on a listener. Two looks in a row must agree: a
// worker may send READY=1 just before it accepts, and another goroutine needs time to read
// that.
type twoLooks struct {
	worker *Process
	waited bool   // at the last look
	unseen string // why the last look could not see everything

	obstacles *obstacles
}

// newLook returns nil if observation does not count for the worker.
func (p *Process) newLook() *twoLooks {
	if !p.ready.observes() && !(p.ready.accepts() && p.binder.sockets != nil) {
		return nil
	}
	return &twoLooks{worker: p, obstacles: newObstacles(p)}
}

// agree looks once. It returns true if this look and the previous one saw the worker wait.
func (l *twoLooks) agree() bool {
	p := l.worker
	sockets := p.binder.observable(p.release.command.Listeners)
	waits := false
	if len(sockets) > 0 {
		look := newObserver(p.pid, sockets)
		p.release.launcher.looks.through(func() { waits = look.waits() })
		if now := look.blindness(); now != l.unseen {
			l.unseen = now
			p.observed(pool.Unseen{Reason: now})
		}
	}
	agree := waits && l.waited
	l.waited = waits
	return agree
}
