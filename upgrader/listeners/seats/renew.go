package seats

// renew replaces a socket that cannot listen again by a new one, behind the same
// descriptor. A worker that holds the old one has no seat any more.
func (g *Group) renew(s *seat) error {
	fresh, err := openSeat(g.where, s.name())
	if err != nil {
		return err
	}
	defer fresh.Close()
	if err := listen(fresh, s.want.Backlog); err != nil {
		return err
	}
	if err := replace(s.file, fresh); err != nil {
		closeSeat(fresh)
		return err
	}
	if s.holder != "" {
		s.holder, s.reserved, s.left = "", true, nil
	}
	if s.id == 0 {
		g.renewed = true
	} else if g.keeper != nil {
		g.keeper.Drop(s.name())
		g.keeper.Keep(s.name(), s.file)
	}
	s.changed = nil
	_, err = s.prepare(s.want)
	return err
}

// Renewed says whether the common socket was replaced since the last call. Its descriptor is the
// same, but copies of the descriptor refer to the old socket and have to be made again.
func (g *Group) Renewed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.renewed
	g.renewed = false
	return was
}
