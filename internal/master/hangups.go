package master

import (
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/hangup"
	"relevo/internal/succession"
)

// findTerminal watches the terminal of this process, or goes on with what the previous
// master knew of it. It belongs before signal.Notify.
func (h *signalReader) findTerminal() {
	a := h.opts.Arrival
	if !a.Succeeds() || a.Way == succession.Store {
		h.terminal = hangup.New(hangup.Here())
		return
	}
	lost := false
	if h.terminal, lost = hangup.After(a.Left.Terminal); lost {
		select {
		case h.signals <- unix.SIGHUP: // which came while one program became another
		default:
		}
	}
}

// hungUp does what a SIGHUP means. settled gets the meaning of one that is unclear yet.
func (h *signalReader) hungUp(meaning hangup.Meaning, settled chan<- hangup.Meaning) {
	switch meaning {
	case hangup.ByHand:
		h.reloadBySignal()
	case hangup.Terminal:
		h.stopAs("hangup: the terminal has gone", false)
		h.stops.hangup(time.Now())
	case hangup.Outlived:
		h.log.Info("the terminal has gone: relevo goes on, for it was started with SIGHUP ignored (nohup)")
	case hangup.Unclear:
		h.terminal.Settled(func(meaning hangup.Meaning) {
			select {
			case settled <- meaning:
			default: // so many wait that this one would change nothing
			}
		})
	}
}
