package machine

// Cause says why a worker is started.
type Cause string

const (
	CauseFirst   Cause = "first"   // the pool starts
	CauseRoll    Cause = "roll"    // a roll, forward or back
	CauseCron    Cause = "cron"    // a roll by the clock, forward or back
	CauseRespawn Cause = "respawn" // the slot's worker has died
	CauseScale   Cause = "scale"   // the pool has got more slots
)

// Causes of recycling.
const (
	CauseMemory   Cause = "memory"   // the worker used more than it may
	CauseLifetime Cause = "lifetime" // it has served as long as it may
	CauseHealth   Cause = "health"   // it failed its health check
	CauseListener Cause = "listener" // its listening socket has to be reopened
	CauseWatchdog Cause = "watchdog" // it gave no sign of life
	CauseRequest  Cause = "request"  // a user asked for another worker
)

// OfRoll says whether a roll starts the worker.
func (c Cause) OfRoll() bool { return c == CauseRoll || c == CauseCron }
