package listeners

// WithoutSockDiag has a group believe that the kernel tells nothing of connections.
func WithoutSockDiag(g *Group) { g.noDiag.Store(true) }

// WithoutConfirmation has a group take its own word for where a new seat stands.
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
