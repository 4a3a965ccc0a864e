package master

import (
	"runtime"

	"relevo/internal/config"
	"relevo/internal/threads"
)

// tasksOfMaster is how many threads the master of an app needs from its start on: measured
// without any in advance, a master came to 9 with 16 workers, and to 16 with 64 that were
// replaced, killed and asked for at once.
func tasksOfMaster(app config.App) int {
	const workersOfTask, mostOfWorkers = 4, 16
	return threads.Enough + min(app.LargestPool()/workersOfTask, mostOfWorkers) + runtime.GOMAXPROCS(0)
}
