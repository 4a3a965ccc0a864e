package seats

import (
	"fmt"
	"slices"
)

// Serve sends new connections to a worker's seat, as many as to every other seat that serves.
func (g *Group) Serve(worker string) error { return g.serve(worker, nil) }

// Try is Serve for a worker on trial: while others serve, it gets at most a part of all new
// connections, in ten-thousandths; with 0 it gets only probes. If clients stick to slots, it
// gets clients of its own slot. Serve or Admit ends the trial.
func (g *Group) Try(worker string, part int) error { return g.serve(worker, &part) }

// Admit ends a worker's trial, if it is on one.
func (g *Group) Admit(worker string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	if s == nil || s.trial == nil {
		return nil
	}
	s.trial = nil
	return g.settle()
}

func (g *Group) serve(worker string, trial *int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	if s == nil {
		return fmt.Errorf("cannot send connections to worker %s: %w", worker, ErrNoSeat)
	}
	if !listening(s.file) {
		if err := g.repair(); err != nil {
			return err
		}
		if s.holder != worker {
			return fmt.Errorf("cannot send connections to worker %s: it shut its socket down: %w", worker, ErrNoSeat)
		}
	}
	before, trialBefore := s.serving, s.trial
	s.serving, s.trial = true, trial
	err := g.steer()
	if err != nil {
		s.serving, s.trial = before, trialBefore
	}
	return err
}

// ServeCommon says how many workers serve at the common socket, at first 0. The common
// socket gets as many shares of the new connections; with 0 it gets none as soon as a
// worker serves at a seat.
func (g *Group) ServeCommon(workers int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if workers > 0 && g.common.holder == "" { // its last holder may have changed its mode to blocking
		if err := setNonblock(g.common.file, true); err != nil {
			return fmt.Errorf("cannot let workers share the common socket: %w", err)
		}
	}
	before := g.weight
	g.weight = workers
	err := g.steer()
	if err != nil {
		g.weight = before
	}
	return err
}

// ServeShared is ServeCommon for the socket that Share returns, if that is not the common one.
func (g *Group) ServeShared(workers int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.sharedWeight
	g.sharedWeight = workers
	err := g.steer()
	if err != nil {
		g.sharedWeight = before
	}
	return err
}

// Leave sends no new connection to a worker's seat any more. If no other worker serves,
// the steering does not change until one does, so that connections wait for the next
// worker.
func (g *Group) Leave(worker string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	if s == nil {
		return nil
	}
	return g.leave(s)
}

func (g *Group) leave(s *seat) error {
	before := s.serving
	s.serving = false
	err := g.steer()
	if err != nil {
		s.serving = before
	}
	return err
}

// Suspend keeps new connections from the seat of a worker that fails its health check; with
// false it ends that. It wins over Serve. If all seats are suspended, the steering does not
// change.
func (g *Group) Suspend(worker string, suspended bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	if s == nil || s.suspended == suspended {
		return nil
	}
	s.suspended = suspended
	err := g.steer()
	if err != nil {
		s.suspended = !suspended
	}
	return err
}

// slotHeld says whether a worker of the slot has a seat. If so, the clients in the queue of
// another seat of the slot would wait until that worker is replaced.
func (g *Group) slotHeld(slot int) bool {
	return slices.ContainsFunc(g.members, func(s *seat) bool { return s.holder != "" && s.slot == slot })
}

// Serving says whether new connections go to a worker's seat.
func (g *Group) Serving(worker string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	return s != nil && s.share > 0
}

// steer computes the members' shares and attaches the program for them. If no member
// wants connections, the shares do not change, except for Rest.
func (g *Group) steer() error {
	before := make([]int, len(g.members))
	named, total := 0, 0
	for i, s := range g.members {
		before[i] = s.share
		named += s.share
		total += s.wanted(g.weight, g.sharedWeight)
	}
	for _, s := range g.members {
		switch {
		case total > 0:
			s.share = s.wanted(g.weight, g.sharedWeight)
		case g.rest != nil:
			s.share = 0
			if s == g.rest {
				s.share = 1
			}
		case named == 0 && s == g.common:
			s.share = 1
		}
	}
	err := g.settle()
	for i, s := range g.members {
		if err != nil {
			s.share = before[i]
		} else if s.share > 0 {
			s.left = nil
		}
	}
	return err
}

// settle attaches the program for the present shares, or none if the common socket is the
// only member.
func (g *Group) settle() error {
	switch {
	case g.closed: // another master may have taken over the kernel's group
	case len(g.members) > 1:
		return g.attach()
	case g.attached:
		g.attached = false
		return detach(g.common.file)
	}
	return nil
}

func (g *Group) attach() error {
	err := g.force(g.steering())
	if err != nil {
		return fmt.Errorf("cannot steer connections of %s: %w", g.where.address, err)
	}
	g.attached = true
	return nil
}

// force attaches the program through any member that allows it: a worker may have locked
// the filters of its socket (SO_LOCK_FILTER). The member has to listen. If it does not,
// the kernel makes a new group of it alone (reuseport_attach_prog in
// net/core/sock_reuseport.c): the others are steered as before, and it can never listen
// again (EADDRINUSE). So force checks the member afterwards, too: its worker may have
// shut it down in between. If no member listens, there is nothing to steer until Heal.
func (g *Group) force(steering Steering) error {
	program, err := Program(steering)
	if err != nil {
		return err
	}
	for _, s := range g.steadiest() {
		if !listening(s.file) {
			continue
		}
		if err = attach(s.file, program); err == nil && listening(s.file) {
			return nil
		}
	}
	return err
}

// steadiest returns the members: first those that no worker can shut down, last those
// whose workers leave.
func (g *Group) steadiest() []*seat {
	all := slices.DeleteFunc(slices.Clone(g.members), (*seat).stranger)
	slices.SortStableFunc(all, func(a, b *seat) int { return a.unsteadiness() - b.unsteadiness() })
	return all
}

func (s *seat) unsteadiness() int {
	switch {
	case s.holder == "" && s.share == 0:
		return 0
	case s.share > 0:
		return 1
	}
	return 2
}

func (g *Group) steering() Steering {
	steering := g.choice()
	for i, s := range g.members {
		for _, p := range g.probes {
			if p.seat == s {
				steering.Probes = append(steering.Probes, Probe{Source: p.source, Index: i})
			}
		}
	}
	return steering
}

// choice is the steering without probes. Members on trial count as normal ones if no
// other member serves.
func (g *Group) choice() (steering Steering) {
	if g.sticks() {
		return Steering{Buckets: assign(g.stakes())}
	}
	for i, s := range g.members {
		if s.trial != nil && s.share > 0 {
			steering.Trials = append(steering.Trials, Trial{Index: i, Part: *s.trial})
			continue
		}
		for range s.share {
			steering.Serving = append(steering.Serving, i)
		}
	}
	if len(steering.Serving) == 0 {
		for _, t := range steering.Trials {
			steering.Serving = append(steering.Serving, t.Index)
		}
		steering.Trials = nil
	}
	return steering
}

// ServesCommon says whether workers share the common socket: ServeCommon.
func (g *Group) ServesCommon() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.weight > 0
}
