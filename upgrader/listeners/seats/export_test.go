package seats

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
