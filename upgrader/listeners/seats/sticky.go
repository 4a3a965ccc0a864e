package seats

import (
	"cmp"
	"slices"
)

// Buckets is the number of parts into which sticky clients are divided by their
// addresses.
const Buckets = 1024

// stake describes a member that takes sticky clients.
type stake struct {
	index int  // in the group
	id    int  // of the seat; unlike its index it does not change
	slot  int  // it takes the clients of this slot; below 0: of all slots without a member of their own
	trial *int // its part of all clients, in ten-thousandths; nil: all clients of its slot
}

// assign returns the member that takes the clients of each bucket. A slot's buckets
// depend only on the number of slots, so they do not change when its workers do. While a
// slot does not serve, others take its buckets.
func assign(stakes []stake) []int {
	c := newClaims(stakes)
	table := make([]int, Buckets)
	rest := map[int][]int{} // by slot: buckets that are not on trial
	for bucket, slot := range homes(c.slots) {
		rest[slot] = append(rest[slot], bucket)
	}
	for _, s := range c.trials {
		n := min((*s.trial*Buckets+wholePart/2)/wholePart, len(rest[s.slot]))
		for _, bucket := range rest[s.slot][:n] {
			table[bucket] = s.index
		}
		rest[s.slot] = rest[s.slot][n:]
	}
	for slot, buckets := range rest {
		owners := c.owners[slot]
		for i, bucket := range buckets {
			if len(owners) > 0 {
				table[bucket] = owners[i*len(owners)/len(buckets)]
			} else {
				table[bucket] = c.orphan(bucket)
			}
		}
	}
	return table
}

// claims has the stakes in groups, by what they claim.
type claims struct {
	slots   int           // the number of slots, as far as the stakes show it
	owners  map[int][]int // by slot: indexes of the members that take all of its clients
	served  []int         // the keys of owners, in order
	trials  []stake
	sharing []int // indexes of members that belong to no slot
}

func newClaims(stakes []stake) claims {
	c := claims{owners: map[int][]int{}}
	stakes = slices.SortedFunc(slices.Values(stakes), func(a, b stake) int { return cmp.Compare(a.id, b.id) })
	alone := !slices.ContainsFunc(stakes, func(s stake) bool { return s.trial == nil })
	for _, s := range stakes {
		c.slots = max(c.slots, s.slot+1)
		switch {
		case s.slot < 0:
			c.sharing = append(c.sharing, s.index)
		case s.trial != nil && !alone:
			c.trials = append(c.trials, s)
		default:
			if c.owners[s.slot] == nil {
				c.served = append(c.served, s.slot)
			}
			c.owners[s.slot] = append(c.owners[s.slot], s.index)
		}
	}
	slices.Sort(c.served)
	c.slots = max(c.slots, len(c.served)+len(c.sharing))
	return c
}

// orphan returns the member for a bucket whose slot does not serve. The choice changes as
// little as possible when other slots start or stop serving.
func (c claims) orphan(bucket int) int {
	if len(c.sharing) > 0 {
		return c.sharing[int(mix(uint32(bucket))%uint32(len(c.sharing)))]
	}
	slot := slices.MaxFunc(c.served, func(a, b int) int {
		return cmp.Compare(mix(uint32(bucket)<<16|uint32(a)), mix(uint32(bucket)<<16|uint32(b)))
	})
	owners := c.owners[slot]
	return owners[bucket%len(owners)]
}

// homes returns the slot of each bucket, for a number of slots. An additional slot takes
// equal parts from all others, and no other bucket moves.
func homes(slots int) []int {
	owned := [][]int{firstNumbers(Buckets)}
	for slot := 1; slot < min(slots, Buckets); slot++ {
		var taken []int
		for most := longest(owned); len(taken) < Buckets/(slot+1); most-- {
			for i := range owned {
				if last := len(owned[i]) - 1; last+1 == most && len(taken) < Buckets/(slot+1) {
					taken = append(taken, owned[i][last])
					owned[i] = owned[i][:last]
				}
			}
		}
		slices.Sort(taken)
		owned = append(owned, taken)
	}
	home := make([]int, Buckets)
	for slot, buckets := range owned {
		for _, bucket := range buckets {
			home[bucket] = slot
		}
	}
	return home
}

func longest(lists [][]int) (n int) {
	for _, list := range lists {
		n = max(n, len(list))
	}
	return n
}

func firstNumbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// mix is the last step of MurmurHash3: each bit of the number changes about half of the result.
func mix(n uint32) uint32 {
	n ^= n >> 16
	n *= mixFirst
	n ^= n >> 13
	n *= mixSecond
	return n ^ n>>16
}

const (
	mixFirst  = 0x85ebca6b
	mixSecond = 0xc2b2ae35
)

// stakes returns a stake for each member that takes new connections.
func (g *Group) stakes() (all []stake) {
	for i, s := range g.members {
		sharing := s.share
		switch {
		case s.share == 0 || s.slot < 0 || s.shared:
		case s.id > 0:
			sharing = 0
		case s.serving && !s.suspended:
			sharing--
		}
		if sharing < s.share {
			all = append(all, stake{index: i, id: s.id, slot: s.slot, trial: s.trial})
		}
		for range sharing {
			all = append(all, stake{index: i, id: s.id, slot: -1})
		}
	}
	return all
}

// sticks says whether clients stick to slots: they do if a worker that serves wants it.
func (g *Group) sticks() bool {
	return slices.ContainsFunc(g.members, func(s *seat) bool { return s.share > 0 && s.sticky })
}

// Stick makes clients sticky while the worker serves at its seat, for all workers of the
// group: a client's address decides its slot.
func (g *Group) Stick(worker string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	if s == nil || s.sticky {
		return nil
	}
	s.sticky = true
	if s.share == 0 {
		return nil
	}
	return g.settle()
}

// Sticks says whether clients stick to slots now.
func (g *Group) Sticks() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sticks()
}
