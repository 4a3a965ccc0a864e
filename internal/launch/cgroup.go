package launch

// Cgroups makes a cgroup for each worker, so that all its child processes can be ended
// with it. Without a cgroup, a child that leaves the worker's process group (setsid)
// outlives it. The zero value makes none.
type Cgroups struct {
	Dir    string // a cgroup that belongs to this master
	Prefix string // of the names; a worker's id follows
}
