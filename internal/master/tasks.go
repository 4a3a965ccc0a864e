package master

import (
	"runtime"

	"relevo/internal/config"
	"relevo/internal/threads"
)

// tasksOfMaster is how many threads the master of an app needs. Measured without any in advance: 9
// with 16 workers, and 16 with 64 workers that were replaced, killed and queried at once.
func tasksOfMaster(app config.App) int {
	const workersOfTask, mostOfWorkers = 4, 16
	return threads.Enough + min(app.LargestPool()/workersOfTask, mostOfWorkers) + runtime.GOMAXPROCS(0)
}
