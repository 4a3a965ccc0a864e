// Package threads makes operating system threads before they are needed. The Go
// runtime starts a thread when a goroutine blocks in a system call, and ends the
// program where the kernel refuses one: at the limit of tasks (pids.max, TasksMax=,
// RLIMIT_NPROC). A thread that exists is used again and never given back.
package threads

import (
	"runtime"
	"sync"
)

// Enough is how many goroutines of a master may be in a blocking system call at the
// same time. Its processors come to that, and a part of its workers. A thread costs 20 KB.
const Enough = 10

// least is reserved whatever the limits say; the runtime itself needs about as many.
const least = 4

// Reserve has the runtime own count threads besides those that run now, fewer where
// the limits leave less room. It returns how many it made room for.
func Reserve(count int) int { return reserve(count, 2) }

// TakeOver is Reserve for a process whose predecessor has ended: its threads get the room
// that those of the predecessor have left, and nothing of it is kept for other processes.
func TakeOver(count int) int { return reserve(count, 1) }

// reserve takes one part of the room that is left.
func reserve(count, parts int) int {
	if left, limited := Left(); limited {
		count = min(count, max(left/parts, least))
	}
	var arrived, done sync.WaitGroup
	leave := make(chan struct{})
	arrived.Add(count)
	for range count {
		done.Go(func() {
			// A locked goroutine has a thread for itself also while it waits.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			arrived.Done()
			<-leave
		})
	}
	arrived.Wait()
	close(leave)
	done.Wait()
	return count
}
