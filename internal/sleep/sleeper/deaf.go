package sleeper

import (
	"fmt"

	"relevo/internal/procfs"
	"relevo/internal/sockdiag"
	"relevo/pool"
)

// deaf says why no client could wake the app if it slept; empty: one could. It is a warning of
// relevo status, and says what to do.
func (s *Sleeper) deaf(status pool.Status) string {
	app := s.o.App()
	const stay = "workers stay although no client comes: "
	if len(s.o.Listeners().Listeners()) == 0 {
		return stay + fmt.Sprintf("the app has no listener at which one could wake it; write workers = \"1..%d\"",
			app.MostWorkers)
	}
	listening, err := sockdiag.Listening()
	if err != nil {
		return stay + fmt.Sprintf("it cannot be seen where the app listens: %v", err)
	}
	ours, theirs := s.o.Listeners().Inodes(), socketsOf(status.Workers)
	for _, l := range listening {
		if inode := uint64(l.Inode); theirs[inode] && !ours[inode] {
			return stay + fmt.Sprintf("the app listens on %s by itself, where no client could wake it; write listen = "+
				"[%q], or workers = \"1..%d\"", l.Address, l.Address.String(), app.MostWorkers)
		}
	}
	return ""
}

// socketsOf has the inodes of the sockets that workers and their children hold.
func socketsOf(workers []pool.Worker) map[uint64]bool {
	inodes := map[uint64]bool{}
	for _, w := range workers {
		for _, pid := range procfs.Tree(w.PID) {
			_ = procfs.Sockets(pid, inodes) // it may have ended
		}
	}
	return inodes
}
