package seats

import (
	"errors"
	"fmt"
	"slices"
)

// Tend repairs what programs do to their seats after bind(2). It restores the length of the
// accept queue, which listen(2) changes, attaches the steering program again, which a worker can
// detach, and heals a seat that does not listen. It does not change whether a socket blocks,
// because that is the program's choice. It cannot notice a seat that was shut down and listens
// again: see Heal. It is cheap; call it now and then while a worker is young.
func (g *Group) Tend() (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	var failed error
	if !g.allListen() {
		failed = g.heal()
	}
	for _, s := range g.members {
		if s.holder != "" && (failed == nil || listening(s.file)) {
			err = errors.Join(err, s.tend())
		}
	}
	return errors.Join(failed, err, g.settle())
}

// tend restores the length of the accept queue.
func (s *seat) tend() error {
	if err := share(s.file); err != nil {
		return fmt.Errorf("cannot mend the socket of worker %s: %w", s.holder, err)
	}
	return s.assert()
}

// Heal repairs sockets that a worker has shut down. Call it when a seat or the common socket
// has hung up, even if it listens again, and after TakeOver if the other master was killed.
// Heal makes these sockets listen again, or replaces them; it steers connections away from them
// if others serve, and asks the kernel for the order of all members. While they did not listen,
// the kernel may have given connections to seats that no worker serves; the next worker that
// takes a seat gets one of those.
func (g *Group) Heal() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	return g.heal()
}

func (g *Group) heal() (err error) {
	for range healAttempts { // a worker may shut its socket down meanwhile
		down := slices.DeleteFunc(slices.Clone(g.members), func(s *seat) bool { return s.stranger() || listening(s.file) })
		for _, s := range down {
			g.moveToEnd(s)
		}
		// First steer by the likely order: then no connection has to wait, and none goes to a
		// socket that listens again and may have to be shut down once more.
		if err := g.steer(); err != nil {
			return err
		}
		for _, s := range down {
			if err := g.revive(s); err != nil {
				return err
			}
		}
		if err := g.settle(); err != nil {
			return err
		}
		if err = g.verify(); g.allListen() {
			break
		}
	}
	return err
}

const healAttempts = 3

// repair is heal for callers that need only the likely order.
func (g *Group) repair() error {
	err := g.heal()
	if errors.Is(err, errOrder) {
		g.log.Warn("connections are steered by the likely order", "address", g.where.address.String(), "err", err)
		return nil
	}
	return err
}

// moveToEnd repeats in the group's list what the kernel does with a socket that is shut
// down and listens again: the last socket takes its index, and it becomes the last.
func (g *Group) moveToEnd(s *seat) {
	s.serving = false
	last := len(g.members) - 1
	at := slices.Index(g.members, s)
	g.members[at] = g.members[last]
	g.members[last] = s
}

// revive makes a socket listen again, or replaces it.
func (g *Group) revive(s *seat) error {
	failed := g.relisten(s)
	if failed == nil {
		return nil
	}
	worker := s.holder
	if err := g.renew(s); err != nil {
		return fmt.Errorf("cannot bring a socket of %s back that worker %s shut down: %w",
			g.where.address, worker, errors.Join(failed, err))
	}
	g.log.Info("a socket that was shut down is replaced", "address", g.where.address.String(), "worker", worker,
		"reason", failed)
	return nil
}

func (g *Group) relisten(s *seat) error {
	marked := marked(s.file)
	err := share(s.file)
	if err == nil {
		err = rebind(s.file, g.where)
	}
	if err == nil {
		err = listen(s.file, s.want.Backlog)
	}
	if err == nil && marked { // this resets connections that came meanwhile
		err = shutdownSeat(s.file)
	}
	if err == nil {
		err = s.assert()
	}
	return err
}

// Trim closes free seats, from the end of the group, until at most spare are left. A seat
// is free if no worker holds it and no connection waits in it.
func (g *Group) Trim(spare int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	free := 0
	for _, s := range g.members {
		if s.idle() && s != g.rest {
			free++
		}
	}
	for ; free > spare && len(g.members) > 1; free-- {
		last := g.members[len(g.members)-1]
		if !last.idle() || last == g.rest {
			break
		}
		if n, err := g.halfOpen(last); err != nil || n > 0 {
			break // a handshake may still end in this seat
		}
		if err := g.remove(len(g.members) - 1); err != nil {
			return err
		}
	}
	return g.settle()
}

// idle says whether a seat can be closed without a loss.
func (s *seat) idle() bool {
	return s.id > 0 && s.holder == "" && !s.shared && s.share == 0 && queueLength(s.file) == 0
}
