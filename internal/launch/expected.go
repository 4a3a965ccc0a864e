package launch

import "relevo/internal/ipc"

// expectedWorkers are those that are announced and not adopted yet, by their pids, with what
// they have said meanwhile on the notify socket. A master that takes over reads that socket
// before its pool has adopted the workers.
type expectedWorkers map[int][]ipc.Notification

func (e *expectedWorkers) add(pid int) {
	if *e == nil {
		*e = expectedWorkers{}
	}
	(*e)[pid] = nil
}

// keep keeps a notification for the worker that it comes from. It returns false if that is not
// expected.
func (e expectedWorkers) keep(from ipc.Sender, n ipc.Notification) bool {
	for _, pid := range []int{from.PID, processGroup(from.PID)} {
		if said, expected := e[pid]; expected && from.PID != 0 {
			if len(said) < maxEarly {
				e[pid] = append(said, essence(n))
			}
			return true
		}
	}
	return false
}

// take returns what a worker has said before it was adopted.
func (e expectedWorkers) take(pid int) []ipc.Notification {
	said := e[pid]
	delete(e, pid)
	return said
}
