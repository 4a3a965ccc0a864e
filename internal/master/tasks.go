package master

import (
	"runtime"

	"relevo/internal/threads"
)

// tasksOfMaster is how many threads a master needs from its start on.
func tasksOfMaster() int { return threads.Enough + runtime.GOMAXPROCS(0) }
