package procfs

import "slices"

// StartedWith returns the processes that were started with a variable, as far as this user
// may see their environment.
func StartedWith(variable, value string) (pids []int) {
	for _, pid := range All() {
		if slices.Contains(Of(pid).Environ(), variable+"="+value) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Eldest leaves out the processes whose parent is one of them, and those that have ended.
func Eldest(pids []int) (eldest []int) {
	for _, pid := range pids {
		stat, err := Of(pid).Stat()
		if err == nil && stat.State() != 'Z' && !slices.Contains(pids, stat.Parent()) {
			eldest = append(eldest, pid)
		}
	}
	return eldest
}
