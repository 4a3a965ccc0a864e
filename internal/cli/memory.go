package cli

import (
	"runtime/debug"
	"time"
)

// commandGC is GOGC of a command: most end before they have allocated as much as a collection
// would be worth.
const commandGC = 400

// startGC is GOGC of a master that starts: most starts need no collection.
const startGC = 90

// masterGC is GOGC of a master, which allocates little and seldom, and should be small beside
// many workers, however much these print. The workers' own GOGC is not changed.
const masterGC = 40

// startTime is how long most starts take at the longest.
const startTime = 2 * time.Second

// keepSmall makes this process one that runs for long. What its start needed is given back at
// once, after the start.
func keepSmall() {
	debug.SetGCPercent(startGC)
	time.AfterFunc(startTime, func() {
		debug.SetGCPercent(masterGC)
		debug.FreeOSMemory()
	})
}
