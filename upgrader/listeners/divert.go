package listeners

// decoy holds the seat of Divert. No worker is called so: their names are numbers.
const decoy = "decoy"

// mostHops is what no packet has that has travelled: clients begin with 64 or 128.
const mostHops = 255

// Divert has no new connection go to any worker from now on: the first packets of
// clients are dropped, so that they try again, and they are refused when the group is
// closed. Handshakes that have begun belong to the workers' seats and are finished
// there. There is no way back.
func (g *Group) Divert() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.seatOf(decoy) != nil {
		return nil
	}
	s, err := g.grow()
	if err != nil {
		return err
	}
	s.holder = decoy
	for _, six := range []bool{false, g.where.six} { // IPv4 clients come to a socket of IPv6, too
		if err := setMinHops(s.file, six, mostHops); err != nil {
			return err
		}
	}
	g.weight, g.sharedWeight = 0, 0
	for _, other := range g.members {
		other.serving = other == s
	}
	return g.steer()
}
