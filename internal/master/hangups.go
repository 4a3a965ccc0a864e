package master

import (
	"golang.org/x/sys/unix"

	"relevo/internal/hangup"
	"relevo/internal/succession"
)

// findTerminal begins to watch the terminal of this process, or continues with what the previous
// master knew of it. It must run before signal.Notify.
func (l *loop) findTerminal() {
	a := l.opts.Arrival
	if !a.Succeeds() || a.Way == succession.Store {
		l.terminal = hangup.New(hangup.Here())
		return
	}
	lost := false
	if l.terminal, lost = hangup.After(a.Left.Terminal); lost {
		select {
		case l.signals <- unix.SIGHUP: // it came while one program became another
		default:
		}
	}
}

// hungUp does what a SIGHUP means, once the signal before it is dealt with.
func (l *loop) hungUp(meaning hangup.Meaning) {
	if l.dealing {
		l.hangups = append(l.hangups, meaning)
		return
	}
	switch meaning {
	case hangup.ByHand:
		l.reloadBySignal()
	case hangup.Terminal:
		l.deal(func() { l.stopAs("hangup: the terminal has gone", false) }, byTerminal)
	case hangup.Outlived:
		l.log.Info("the terminal has gone: relevo keeps running, because it was started with SIGHUP ignored (nohup)")
	case hangup.Unclear:
		l.terminal.Settled(func(meaning hangup.Meaning) { l.box.post(hungUp{meaning}) })
	}
}

func (l *loop) nextHangup() {
	for len(l.hangups) > 0 && !l.dealing {
		next := l.hangups[0]
		l.hangups = l.hangups[1:]
		l.hungUp(next)
	}
}
