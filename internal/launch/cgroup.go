package launch

// Cgroups is where each worker gets a cgroup of its own, so that its whole family
// can be ended with it. Without one, a child that leaves the worker's process
// group (setsid) outlives it. The zero value makes none.
type Cgroups struct {
	Dir    string // a cgroup that belongs to this master
	Prefix string // of the names; a worker's id follows
}
