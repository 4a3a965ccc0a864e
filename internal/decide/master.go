package decide

import (
	"time"

	"relevo/internal/config"
)

// The shortest and the longest wait before a refused roll is tried again.
const (
	FirstWait = 5 * time.Second
	MaxWait   = 5 * time.Minute
)

// NextWait is the wait that follows a wait; 0 stands for none before.
func NextWait(last time.Duration) time.Duration { return min(max(2*last, FirstWait), MaxWait) }

// ReplaceInPlace says whether a master is replaced by an exec, because its pid has to stay the
// same.
func ReplaceInPlace(pid int, wanted config.Upgrade, terminal bool) bool {
	switch {
	case pid == 1: // the end of PID 1 ends the container, whatever a user has chosen
		return true
	case wanted == config.UpgradeAuto:
		return terminal
	}
	return wanted == config.UpgradeExec
}
