package seats

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// This file asks the kernel for the order of the members, by an experiment. For a moment
// all members drop packets with the lowest hop count (IP_MINTTL). A client of ours that
// sends such packets is steered to one index, and the member whose count of dropped
// packets grows is the one at that index. Programs do not notice it, and it needs no
// privileges.

const (
	oneHop = 1
	// lostPacket is how long a packet may take inside of this host.
	lostPacket = time.Second
	shortLook  = 5 * time.Millisecond // at one member, before all are looked at
	// looksAtOnce is the number of looks before the first pause: the packet has usually
	// arrived before connect(2) returns.
	looksAtOnce = 20
	// strangersAtMost is how many sockets of other processes are expected in the group.
	strangersAtMost = 16
	orderAttempts   = 3
	// A member is found when it has dropped lead more packets than any other. One more is not
	// enough, because a full accept queue drops packets, too.
	lead      = 3
	sightings = 64 // at most
	perMember = 2  // packets, for a first look
)

var (
	errOrder     = errors.New("the order of the sockets is unknown")
	errUnclear   = errors.New("the kernel's answers contradict each other")
	errNoPackets = errors.New("packets to the own listener are lost")
)

// verify asks the kernel for the order of the members, all of which have to listen, and
// steers by it.
func (g *Group) verify() error {
	if len(g.members) < 2 {
		return nil
	}
	var order []*seat
	err := g.armed(g.members, func() (err error) {
		for range orderAttempts {
			if order, err = g.order(); !errors.Is(err, errUnclear) {
				return err
			}
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("cannot tell in which order the sockets of %s stand: %w: %w", g.where.address, errOrder, err)
		return errors.Join(err, g.settle())
	}
	if !slices.Equal(order, g.members) {
		g.log.Info("the sockets of a listener are in another order than before", "address", g.where.address.String())
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

// order returns the members in the kernel's order; sockets of other processes are
// strangers. It first tries the order of g.members.
func (g *Group) order() (order []*seat, err error) {
	missing := len(g.members) - countStrangers(g.members)
	var stand []bool // of the members from the index len(order) on
	for missing > 0 {
		index := len(order)
		if index > len(g.members)+strangersAtMost {
			return nil, errUnclear
		}
		if len(stand) == 0 && index < len(g.members) {
			asked := g.members[index:min(index+atOnce/2, len(g.members))]
			if stand, err = g.stand(asked, index); err != nil {
				return nil, err
			}
		}
		var s *seat
		if len(stand) > 0 && stand[0] {
			s = g.members[index]
		} else if s, err = g.search(index); err != nil {
			return nil, err
		}
		if !s.stranger() {
			if missing--; slices.Contains(order, s) {
				return nil, errUnclear
			}
		}
		order, stand = append(order, s), stand[min(1, len(stand)):]
	}
	return order, nil
}

// confirm checks that a seat that has just listened is the last one, as in g.members. It
// is not if a worker has shut down its socket meanwhile, or a stranger is in the group.
func (g *Group) confirm(s *seat) {
	if g.blind {
		return
	}
	var stand []bool
	err := g.armed([]*seat{s}, func() (err error) {
		stand, err = g.stand([]*seat{s}, len(g.members)-1)
		return err
	})
	if err == nil && !(stand[0] && g.allListen()) {
		if err = g.heal(); errors.Is(err, errUnclear) { // other packets were dropped; that ends
			g.log.Warn("connections are steered by the likely order", "address", g.where.address.String(), "err", err)
			err = nil
		}
	}
	if err = errors.Join(err, g.settle()); err != nil {
		g.blind = true
		g.log.Warn("the order of a listener's sockets cannot be confirmed", "address", g.where.address.String(), "err", err)
	}
}

func (g *Group) anyListens() bool {
	return slices.ContainsFunc(g.members, func(s *seat) bool { return !s.stranger() && listening(s.file) })
}

func (g *Group) allListen() bool {
	return !slices.ContainsFunc(g.members, func(s *seat) bool { return !s.stranger() && !listening(s.file) })
}

// armed runs do while some members drop packets with the lowest hop count.
func (g *Group) armed(members []*seat, do func() error) error {
	c, err := openClient(g.where)
	if err != nil {
		return err
	}
	six := c.target.Addr().Is6()
	c.file.Close()
	for _, s := range members {
		if s.stranger() {
			continue
		}
		before, err := minHops(s.file, six)
		if err == nil && before <= oneHop { // a decoy has a higher limit, and must keep it
			err = setMinHops(s.file, six, oneHop+1)
			defer setMinHops(s.file, six, before)
		}
		if err != nil {
			return err
		}
	}
	return do()
}

// stand says which members have the index that is expected of them; first is that of the first
// member. Such a member drops exactly the two packets that are sent to its index.
func (g *Group) stand(members []*seat, first int) ([]bool, error) {
	var indexes []int
	for i := range members {
		for range perMember {
			indexes = append(indexes, first+i)
		}
	}
	clients, err := g.aim(indexes...)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	before := make([]uint32, len(members))
	for i, s := range members {
		before[i] = s.drops()
	}
	stand := make([]bool, len(members))
	for i, c := range clients {
		m := i / perMember
		seen, err := c.drops(members[m:m+1], shortLook)
		if err != nil {
			return nil, err
		}
		stand[m] = (i%perMember == 0 || stand[m]) && len(seen) > 0 && !seen[0].stranger()
	}
	for i, s := range members {
		stand[i] = stand[i] && s.drops()-before[i] == perMember
	}
	return stand, nil
}

// search sends packets to an index until one member is ahead. Other packets may be
// dropped meanwhile, also late ones of this search.
func (g *Group) search(index int) (*seat, error) {
	tally := map[*seat]int{}
	for range sightings {
		seen, err := g.sight(index)
		if err != nil {
			return nil, err
		}
		if seen[0].stranger() {
			return seen[0], nil
		}
		for _, s := range seen {
			tally[s]++
		}
		if s := ahead(tally); s != nil {
			return s, nil
		}
	}
	return nil, errUnclear
}

// ahead returns the member that has dropped enough packets more than the others, or nil.
func ahead(tally map[*seat]int) *seat {
	var best *seat
	second := 0
	for s, n := range tally {
		switch {
		case best == nil:
			best = s
		case n > tally[best]:
			best, second = s, tally[best]
		default:
			second = max(second, n)
		}
	}
	if best == nil || tally[best] < second+lead {
		return nil
	}
	return best
}

// sight returns the members that drop a packet when one is sent to an index, or a
// stranger.
func (g *Group) sight(index int) ([]*seat, error) {
	clients, err := g.aim(index)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	seen, err := clients[0].drops(g.members, lostPacket)
	if err == nil && len(seen) == 0 {
		err = errNoPackets
	}
	return seen, err
}

// atOnce is the number of clients whose probes fit into one program.
const atOnce = MaxProbes - probesAtOnce

// aim makes clients that are steered to the indexes, with the lowest hop count in their packets.
// The caller closes them, also after an error.
func (g *Group) aim(indexes ...int) (clients []*client, err error) {
	steering := g.steering()
	for _, index := range indexes {
		c, err := openClient(g.where)
		if err != nil {
			return clients, err
		}
		clients = append(clients, c)
		if err := c.hops(oneHop); err != nil {
			return clients, err
		}
		steering.Probes = append(steering.Probes, Probe{Source: c.source, Index: index})
	}
	return clients, g.force(steering)
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.file.Close()
	}
}

// drops sends one packet of the client. It returns the members that drop a packet in the time
// allowed, or a stranger if the packet opens a connection.
func (c *client) drops(members []*seat, patience time.Duration) ([]*seat, error) {
	before := make([]uint32, len(members))
	for i, s := range members {
		before[i] = s.drops()
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	for i, began := 0, time.Now(); time.Since(began) < patience; i++ {
		if seen := dropping(members, before); len(seen) > 0 {
			return seen, nil
		}
		if stage, _ := c.look(); stage != connecting {
			return []*seat{{id: strangerID, slot: -1}}, nil
		}
		if i > looksAtOnce {
			time.Sleep(time.Millisecond)
		}
	}
	return nil, nil
}

func dropping(members []*seat, before []uint32) (seen []*seat) {
	for i, s := range members {
		if s.drops() != before[i] {
			seen = append(seen, s)
		}
	}
	return seen
}
