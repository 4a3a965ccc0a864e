package master

import (
	"fmt"

	"relevo/pool"
	"relevo/pool/machine"
)

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
