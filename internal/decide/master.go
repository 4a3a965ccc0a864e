package decide

import (
	"time"

	"relevo/internal/config"
)

// The waits between two tries of what was refused.
const (
	FirstWait = 5 * time.Second
	MaxWait   = 5 * time.Minute
)

// NextWait is the wait for the next try, by the one before it; 0: there was none.
func NextWait(last time.Duration) time.Duration { return min(max(2*last, FirstWait), MaxWait) }

// ReplaceInPlace says whether a master is replaced by an exec, because another pid would hurt.
func ReplaceInPlace(pid int, wanted config.Upgrade, terminal bool) bool {
	switch {
	case pid == 1: // its end is the container's, whatever a user has chosen
		return true
	case wanted == config.UpgradeAuto:
		return terminal
	}
	return wanted == config.UpgradeExec
}
