package cli

import (
	"runtime/debug"
	"time"
)

// commandGC is GOGC of a command: most end before they have allocated as much as a collection
// would be worth.
const commandGC = 400

// masterGC is GOGC of a master, which allocates little and seldom, and should be small beside
// many workers. The workers' own GOGC is not changed.
const masterGC = 40

// startTime is how long most starts take at the longest.
const startTime = 2 * time.Second

// keepSmall makes this process one that runs for long. The garbage of its start is collected at
// once, after the start: collections in between would leave more fragments.
func keepSmall() {
	time.AfterFunc(startTime, func() {
		debug.SetGCPercent(masterGC)
		debug.FreeOSMemory()
	})
}
