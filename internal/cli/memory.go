package cli

import (
	"runtime"
	"runtime/debug"
	"time"
)

// commandGC is GOGC of a command: most end before they have allocated as much as a collection
// would be worth.
const commandGC = 400

// masterProcessors is how many processors a master uses at the most. With 64 it needs three
// times the memory, and five times the threads, of one with 2.
const masterProcessors = 2

// useFewProcessors limits those of this process. Workers, and what "auto" means, stay as they are.
func useFewProcessors() {
	if runtime.GOMAXPROCS(0) > masterProcessors {
		runtime.GOMAXPROCS(masterProcessors)
	}
}

// startGC is GOGC of a master that starts: most starts need no collection.
const startGC = 90

// masterGC is GOGC of a master, which allocates little and seldom, and should be small beside
// many workers, however much these print. The workers' own GOGC is not changed.
const masterGC = 40

const (
	// startTime is how long most starts take at the longest.
	startTime = 2 * time.Second
	// settleTime is how long a master works after it began to serve: it keeps copies, and writes.
	settleTime = 500 * time.Millisecond
)

// keepSmall makes this process one that runs for long. What its start needed is given back at
// once, after the start: when served was called, or when a start should be over.
func keepSmall() (served func()) {
	debug.SetGCPercent(startGC)
	timer := time.AfterFunc(startTime, func() {
		debug.SetGCPercent(masterGC)
		giveBack()
	})
	return func() { timer.Reset(settleTime) }
}

// watchGC is GOGC of a command that shows something for long.
const watchGC = 40

// watchSmall makes this process one that shows something for long. What its start needed is given
// back soon after it.
func watchSmall() (end func()) {
	debug.SetGCPercent(watchGC)
	timer := time.AfterFunc(startTime, giveBack)
	return func() { timer.Stop() }
}

// giveBack gives memory back that was used and is not.
func giveBack() {
	debug.FreeOSMemory()
	forgetStart()
}
