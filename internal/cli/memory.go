package cli

import (
	"runtime"
	"runtime/debug"
	"time"

	"relevo/internal/procfs"
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

// startGC is GOGC of a master that starts. It is higher than later, because each of the first two
// collections costs 300 KB that the Go runtime keeps, to list what is and what is not swept. It is no
// higher than this, because workers may print a lot before the start is over.
const startGC = 100

// masterGC is GOGC of a master, which allocates little and seldom, and should be small beside
// many workers, however much these print. The workers' own GOGC is not changed.
const masterGC = 40

const (
	// startTime is how long most starts take at the longest, also while a hundred masters start.
	startTime = 10 * time.Second
	// settleTime is how long a master works after it began to serve: it keeps copies, and writes.
	settleTime = 500 * time.Millisecond
)

// keepSmall makes this process one that runs for long. What its start needed is given back at
// once, after the start: when served was called, or when a start should be over.
func keepSmall() (served func()) {
	debug.SetGCPercent(startGC)
	timer := time.AfterFunc(startTime, func() {
		giveBack()
		debug.SetGCPercent(masterGC) // before that it would cause a second collection
	})
	return func() { timer.Reset(settleTime) }
}

const (
	// watchGC is GOGC of a command that shows something for long.
	watchGC = 40
	// watchStartTime is how long its start takes at the longest.
	watchStartTime = 2 * time.Second
)

// watchSmall makes this process one that shows something for long. What its start needed is given
// back soon after it. One processor is enough for it: with a second one it takes a fifth more of their time.
func watchSmall() (end func()) {
	debug.SetGCPercent(watchGC)
	runtime.GOMAXPROCS(1)
	timer := time.AfterFunc(watchStartTime, giveBack)
	return func() { timer.Stop() }
}

// giveBack gives memory back that was used and is not.
func giveBack() {
	program := procfs.ProgramMappings() // looked up first: what this leaves is given back, too
	debug.FreeOSMemory()
	forget(program)
}
