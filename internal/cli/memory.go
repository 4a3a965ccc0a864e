package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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

// keepSmall prepares this process for a long life as a master.
func keepSmall() *rest {
	debug.SetGCPercent(startGC)
	return newRest(allocated, func() {
		giveBack()
		debug.SetGCPercent(masterGC) // before that it would cause a second collection
	})
}

// allocated is how many bytes of the heap this process has asked for since it began.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
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
