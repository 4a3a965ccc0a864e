//go:build !linux

package procfs

// FileLimit is how many descriptors a process may have open.
func FileLimit(pid int) (int, error) { return Of(pid).fileLimit() }
