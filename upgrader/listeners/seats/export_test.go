package seats

import "os"

// WithoutSockDiag makes a group behave as if the kernel had no sock_diag.
func WithoutSockDiag(g *Group) { g.noDiag.Store(true) }

// WithoutConfirmation makes a group trust its own list for the index of a new seat.
func WithoutConfirmation(g *Group) { g.blind = true }

// DecoyDrops is how many packets the decoy has dropped.
func DecoyDrops(g *Group) uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seatOf(decoy).drops()
}

// Probes counts the clients in the steering.
func Probes(g *Group) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.probes)
}

// Stranded is a socket in which connections wait and which no worker holds.
type Stranded struct {
	ID      int // in a Legacy; 0: the common socket
	Slot    int // of the worker that had it, -1: none
	Waiting int
	Steered bool     // new connections go there, too, because no worker serves
	File    *os.File // owned by the group
}

// Stranded returns the sockets with waiting connections and no worker.
func (g *Group) Stranded() (all []Stranded) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.members {
		if s.holder != "" || s.stranger() || s == g.common && g.weight > 0 || s.shared && g.sharedWeight > 0 {
			continue
		}
		if n := queueLength(s.file); n > 0 {
			all = append(all, Stranded{ID: s.id, Slot: s.slot, Waiting: n, Steered: s.share > 0, File: s.file})
		}
	}
	return all
}
