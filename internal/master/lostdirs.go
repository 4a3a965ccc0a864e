package master

import (
	"fmt"

	"relevo/internal/procfs"
)

// lostDirectories warns of working directories that were deleted, the workers' and this process's
// own: programs that need them fail later, far away from the cause.
func (c *core) lostDirectories() (all []string) {
	workers := c.serving().DeletedDirectory()
	if workers != "" {
		all = append(all, fmt.Sprintf("the working directory of the workers, %s, was deleted: they run in what is left of "+
			"it; put one in its place, then relevo reload", workers))
	}
	if own, deleted := procfs.WorkingDirectory(); deleted && own != workers {
		all = append(all, fmt.Sprintf("the directory that relevo was started in, %s, was deleted: "+
			"relative paths lead nowhere", own))
	}
	return all
}
