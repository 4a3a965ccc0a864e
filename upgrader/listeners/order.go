package listeners

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// How the order of the members is asked of the kernel: all of them are told for a moment
// to drop packets that may travel no hop further (IP_MINTTL), a client whose packets may
// not is steered to one index, and the socket there counts one dropped packet more. No
// program sees anything of it, and no privilege is needed.

const (
	oneHop = 1
	// lostPacket is how long a packet may be on its way inside of this host.
	lostPacket = time.Second
	// looksAtOnce is how often is looked before the first pause: the packet has usually
	// arrived before connect(2) returns.
	looksAtOnce = 20
	// strangersAtMost is how many sockets of others are expected in the group.
	strangersAtMost = 16
	orderAttempts   = 3
	sightings       = 8
)

var (
	errUnclear   = errors.New("the kernel's answers contradict each other")
	errNoPackets = errors.New("packets to the own listener are lost")
)

// Verify asks the kernel in which order the members stand, and steers by that. It is for
// moments when the books may be wrong: after a worker may have shut down its socket and
// listened again, and after a master died without a word.
func (g *Group) Verify() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.verify()
}

func (g *Group) verify() error {
	if g.closed || len(g.members) < 2 {
		return nil
	}
	var order []*seat
	err := g.armed(func() (err error) {
		for range orderAttempts {
			if order, err = g.order(); !errors.Is(err, errUnclear) {
				return err
			}
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("cannot tell in which order the sockets of %s stand: %w", g.where.address, err)
		return errors.Join(err, g.settle())
	}
	if !slices.Equal(order, g.members) {
		g.log.Info("the sockets of a listener stand in another order than before", "address", g.where.address.String())
	}
	before := countStrangers(g.members)
	g.members = order
	if n := countStrangers(order); n > before {
		g.log.Warn("another process takes connections at the same address; find it with: ss -ltnp",
			"address", g.where.address.String(), "sockets", n)
	}
	return g.steer()
}

func countStrangers(members []*seat) (n int) {
	for _, s := range members {
		if s.stranger() {
			n++
		}
	}
	return n
}

// order returns the members as they stand; sockets that are not the group's are
// strangers.
func (g *Group) order() ([]*seat, error) {
	missing := len(g.members) - countStrangers(g.members)
	var order []*seat
	for index := 0; missing > 0; index++ {
		if index > len(g.members)+strangersAtMost {
			return nil, errUnclear
		}
		s, err := g.at(index)
		if err != nil {
			return nil, err
		}
		if !s.stranger() {
			if missing--; slices.Contains(order, s) {
				return nil, errUnclear
			}
		}
		order = append(order, s)
	}
	return order, nil
}

// confirm looks whether a seat that has just listened stands last, as the books say.
func (g *Group) confirm(s *seat) {
	if g.blind {
		return
	}
	var at *seat
	err := g.armed(func() (err error) {
		at, err = g.at(len(g.members) - 1)
		return err
	})
	if err == nil && at != s {
		err = g.verify()
	}
	err = errors.Join(err, g.settle())
	if err != nil {
		g.blind = true
		g.log.Warn("the order of a listener's sockets cannot be confirmed", "address", g.where.address.String(), "err", err)
	}
}

// armed runs do while all members drop packets that may travel no hop further.
func (g *Group) armed(do func() error) error {
	c, err := openClient(g.where)
	if err != nil {
		return err
	}
	six := c.target.Addr().Is6()
	c.file.Close()
	for _, s := range g.members {
		if s.stranger() {
			continue
		}
		before, err := minHops(s.file, six, oneHop+1)
		if err != nil {
			return err
		}
		defer minHops(s.file, six, before)
	}
	return do()
}

// at returns the member of an index. Other packets may be dropped meanwhile, so a socket
// must have been seen to drop one twice, and alone at last.
func (g *Group) at(index int) (*seat, error) {
	var candidates []*seat
	for i := range sightings {
		seen, err := g.sight(index)
		if err != nil {
			return nil, err
		}
		if seen[0].stranger() {
			return seen[0], nil
		}
		if i == 0 {
			candidates = seen
		} else if candidates = both(candidates, seen); len(candidates) < 2 {
			break
		}
	}
	if len(candidates) != 1 {
		return nil, errUnclear
	}
	return candidates[0], nil
}

func both(a, b []*seat) []*seat {
	return slices.DeleteFunc(slices.Clone(a), func(s *seat) bool { return !slices.Contains(b, s) })
}

// sight sends one packet to an index, and returns the members that dropped one since.
func (g *Group) sight(index int) ([]*seat, error) {
	c, err := openClient(g.where)
	if err != nil {
		return nil, err
	}
	defer c.file.Close()
	if err := c.hops(oneHop); err != nil {
		return nil, err
	}
	steering := g.steering()
	steering.Probes = append(steering.Probes, Probe{Source: c.source, Index: index})
	if err := g.force(steering); err != nil {
		return nil, err
	}
	before := make([]uint32, len(g.members))
	for i, s := range g.members {
		before[i] = s.drops()
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	for i, began := 0, time.Now(); time.Since(began) < lostPacket; i++ {
		var seen []*seat
		for i, s := range g.members {
			if s.drops() != before[i] {
				seen = append(seen, s)
			}
		}
		if len(seen) > 0 {
			return seen, nil
		}
		if stage, _ := c.look(); stage != connecting {
			return []*seat{{id: strangerID, slot: -1}}, nil
		}
		if i > looksAtOnce {
			time.Sleep(time.Millisecond)
		}
	}
	return nil, errNoPackets
}
