package launch

// Children is called at the start and the end of this process's own children, so that the
// reaper of orphans (package reaper) leaves them alone.
type Children interface {
	// Start calls start, which makes a child.
	Start(start func() (pid int, err error)) error
	// Register takes a child that this process had before it exec'd its present program.
	Register(pid int)
	// Reap calls reap, which waits for a child that is dead.
	Reap(pid int, reap func())
}

// undisturbed is the default, for a process without a reaper of orphans.
type undisturbed struct{}

func (undisturbed) Start(start func() (int, error)) error { _, err := start(); return err }
func (undisturbed) Register(int)                          {}
func (undisturbed) Reap(_ int, reap func())               { reap() }
