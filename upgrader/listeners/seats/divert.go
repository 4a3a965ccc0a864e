package seats

// decoy is the holder of Divert's seat. No worker has this name: their names are numbers.
const decoy = "decoy"

// mostHops is the highest hop count. No packet from another host has it: clients start
// with 64 or 128.
const mostHops = 255

// Divert keeps new connections from all workers. The first packets of clients are dropped;
// the clients send them again, and are refused once the group is closed. Handshakes that have
// already begun finish at the workers' seats. Divert cannot be undone.
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
