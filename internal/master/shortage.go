package master

import (
	"fmt"

	"relevo/pool"
	"relevo/pool/machine"
)

// shortageWarning is the kind of the warning that the master could not start a
// worker.
const shortageWarning = "shortage"

// noteShortage lets `relevo status` say why a worker could not be started, until
// one gets ready.
func (m *Master) noteShortage(e pool.Event) {
	switch {
	case e.Kind == pool.KindReady:
		m.warnings.set(shortageWarning, "")
	case e.Kind == pool.KindExit && e.Blame == machine.BlameMaster:
		text := "a worker could not be started: " + e.Reason
		if e.Hint != "" {
			text += "; " + e.Hint
		}
		m.warnings.set(shortageWarning, text)
	}
}

// tryShortRoll asks again, later, for a roll that failed for want of something,
// where what lies at the path is to be served without anybody asking for it. Other
// settings than those that serve are not tried by themselves.
func (m *Master) tryShortRoll(r pool.RollResult, tried, serving *generation) {
	switch {
	case r.Result == machine.OK:
		m.retry.cancel()
	case r.Blame == machine.BlameMaster && m.app().WatchBinary && tried.fingerprint == serving.fingerprint &&
		tried.backFrom.sum == "":
		m.tryLater(fmt.Errorf("cannot roll to generation %d: %s", r.Generation, r.Reason))
	}
}
