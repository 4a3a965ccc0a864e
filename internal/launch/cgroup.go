package launch

// Cgroups makes a cgroup for each worker, so that all its child processes can be ended
// with it. Without a cgroup, a child that leaves the worker's process group (setsid)
// outlives it. The zero value makes none.
type Cgroups struct {
	Dir    string // a cgroup that belongs to this master
	Prefix string // of the names; a worker's id follows
	// Attach has workers that are adopted moved to this master's cgroup, because a master
	// outside of it has started them. It moves processes to a directory of this cgroup where
	// this process itself may not. nil: adopted workers stay where they are.
	Attach func(dir string, pids []int) error
}
