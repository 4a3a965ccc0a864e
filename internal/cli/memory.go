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

// masterProcessors is how many processors a master uses at most. On a machine with 64, a master that
// used all of them would need three times the memory and five times the threads.
const masterProcessors = 2

// useFewProcessors limits how many processors this process uses. It changes neither the workers nor
// the meaning of "auto".
func useFewProcessors() {
	if runtime.GOMAXPROCS(0) > masterProcessors {
		runtime.GOMAXPROCS(masterProcessors)
	}
}

// startGC is GOGC while a master starts. It is higher than later, because each of the first two
// collections costs 300 KB that the Go runtime keeps for its lists of spans. It is no higher than
// this, because workers may print a lot before the start is over.
const startGC = 100

// masterGC is GOGC of a master. A master allocates little and seldom, and should stay small beside
// many workers, however much they print. The workers' own GOGC is not changed.
const masterGC = 40

const (
	// startTime is longer than most starts take, also while a hundred masters start.
	startTime = 10 * time.Second
	// settleTime is how long a master is busy after it has begun to serve: it stores copies of
	// programs, and writes its files.
	settleTime = 500 * time.Millisecond
)

// keepSmall prepares this process for a long life. It gives the memory of the start back when
// served was called, or when a start should be over.
func keepSmall() (served func()) {
	debug.SetGCPercent(startGC)
	timer := time.AfterFunc(startTime, func() {
		giveBack()
		debug.SetGCPercent(masterGC) // before that it would cause a second collection
	})
	return func() { timer.Reset(settleTime) }
}

const (
	// watchGC is GOGC of a command that runs for long and shows something.
	watchGC = 40
	// watchStartTime is longer than the start of such a command takes.
	watchStartTime = 2 * time.Second
)

// watchSmall prepares a command that runs for long and shows something. It gives the memory of the
// start back soon after it, and uses one processor: with two, the command would take a fifth more
// processor time.
func watchSmall() (end func()) {
	debug.SetGCPercent(watchGC)
	runtime.GOMAXPROCS(1)
	timer := time.AfterFunc(watchStartTime, giveBack)
	return func() { timer.Stop() }
}

// giveBack returns unused memory to the system.
func giveBack() {
	program := procfs.ProgramMappings() // looked up first, so that its own garbage is given back, too
	debug.FreeOSMemory()
	forget(program)
}
