package seats

// Rest prepares for a time without workers. Once no worker serves, new connections wait in a
// socket that no worker holds, and the next Take returns that socket. Without Rest, or after
// Rest with false, they wait in the socket of the last worker, which is leaving.
//
// If workers share a socket, connections wait in the shared socket anyway.
func (g *Group) Rest(on bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return nil
	case !on:
		g.rest = nil
		return nil
	case g.rest == nil:
		s, err := g.restingPlace()
		if err != nil {
			return err
		}
		g.rest = s
	}
	return g.steer()
}

// restingPlace is a socket that no worker holds, preferably the one to which connections go; nil
// if workers share a socket.
func (g *Group) restingPlace() (*seat, error) {
	if g.weight > 0 || g.sharedWeight > 0 {
		return nil, nil
	}
	var free []*seat
	for _, s := range g.members {
		if s.holder == "" && s.share > 0 && !s.stranger() {
			return s, nil
		}
		if s.free() && (s != g.common || g.lend) {
			free = append(free, s)
		}
	}
	if len(free) > 0 {
		return free[0], nil
	}
	return g.grow()
}
