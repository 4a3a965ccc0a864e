// Package oomscore decides whom the kernel ends first where memory runs out: a worker
// before its master. Without that it takes whoever holds most, and after it has ended a
// worker that may be the master, before what the worker held is free.
package oomscore

import "os"

// envBase tells a successor, which inherits the value of its predecessor, what that one
// began with.
const envBase = "RELEVO_OOM_SCORE_BASE"

const (
	protected = -900 // of a master that may lower its value; -1000 would be never
	ahead     = 100  // of workers, where it may not: a tenth of the memory there is
	highest   = 1000
)

// process is what Protect asks of a process; its methods are those of /proc/self.
type process struct {
	read   func() (int, error)
	write  func(int) error
	getenv func(string) string
	setenv func(name, value string) error
}

// Protect has this process be ended last if it may (CAP_SYS_RESOURCE), and returns the
// oom_score_adj that its workers are to have; ok is false where the system has none.
func Protect() (workers int, ok bool) {
	return process{readOwn, writeOwn, os.Getenv, os.Setenv}.protect()
}
