// Package oomscore decides which process the kernel ends first when memory runs out: a worker
// before its master. Without that, the kernel ends the process that uses most memory; after a
// worker that may be the master, before the worker's memory is free.
package oomscore

import "os"

// envBase tells a successor the value with which its predecessor began, because it inherits the
// changed one.
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

// Protect makes this process the last one to be ended if it may (CAP_SYS_RESOURCE), and returns the
// oom_score_adj for its workers; ok is false if the system has none.
func Protect() (workers int, ok bool) {
	return process{readOwn, writeOwn, os.Getenv, os.Setenv}.protect()
}
