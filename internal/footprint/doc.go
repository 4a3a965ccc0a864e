// Package footprint reads what workers use at present: processor time, memory and connections,
// those of their descendants included. It asks the kernel, and no worker and no master; so
// only a caller who may look at the processes learns all of it.
package footprint

import "time"

// Footprint is what a worker and its descendants use.
type Footprint struct {
	CPU         time.Duration // on processors so far; not that of descendants that have ended
	Memory      int64         // bytes; pages that processes share are divided among them
	Connections int           // that clients have open, over TCP and Unix sockets
	Connected   bool          // whether Connections is known
	Files       int           // descriptors that the worker itself has open; below 0: not known
}
