package master

import (
	"fmt"

	"relevo/internal/decide"
	"relevo/pool/machine"
)

// tryShortRoll asks again, later, for a roll that failed for want of something.
func (rs *rolls) tryShortRoll(end decide.Rolled, generation int) {
	switch {
	case end.Result == machine.OK:
		rs.retry.Cancel()
	case end.Again():
		rs.tryLater(fmt.Errorf("cannot roll to generation %d: %s", generation, end.Reason))
	}
}
