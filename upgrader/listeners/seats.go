package listeners

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"relevo/upgrader/listeners/seats"
)

// seating is the part of a Listener at which workers have their seats. Its lock may be taken with
// Set.mu held, and never the other way round.
type seating struct {
	mu      sync.Mutex
	group   *seats.Group    // nil until the first seat
	sharers map[string]bool // workers that serve at the common socket

	borrowers map[string]bool // workers whose programs got a shared socket: whether it is the common one
}

// Seat returns a socket for this worker alone that listens where l does. An error of
// package seats says why there can be none: then the worker has to share l's.
func (s *Set) Seat(l *Listener, worker string, slot int, want seats.SocketOptions) (*os.File, error) {
	file, err := s.seat(l, worker, slot, want)
	if err == nil && file != l.file {
		s.watchSeat(file)
	}
	return file, err
}

func (s *Set) seat(l *Listener, worker string, slot int, want seats.SocketOptions) (*os.File, error) {
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	if l.seats.group == nil {
		group, err := seats.New(l.file, s.groupOptions(l))
		if err != nil {
			return nil, err
		}
		l.seats.group = group
		if err := l.seats.steer(); err != nil {
			l.seats.group = nil
			return nil, err
		}
	}
	if want.Backlog == 0 {
		want.Backlog = l.Backlog
	}
	return l.seats.group.Take(worker, slot, want)
}

func (s *Set) watchSeat(file *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangups.addSeat(file)
}

// files are the sockets of the workers' own.
func (s *seating) files() (all []*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		return nil
	}
	_, seats := s.group.Legacy()
	return slices.Collect(maps.Values(seats))
}

func (s *Set) groupOptions(l *Listener) seats.Options {
	o := seats.Options{Log: s.log, LendCommon: true}
	if s.keeper != nil {
		o.Keeper = seatKeeper{s.keeper, l.id}
	}
	return o
}

// seatKeeper keeps the seats of one listener.
type seatKeeper struct {
	keeper Keeper
	id     int
}

func (k seatKeeper) Keep(name string, file *os.File) { k.keeper.Keep(seatFile(k.id, name), file) }
func (k seatKeeper) Drop(name string)                { k.keeper.Drop(seatFile(k.id, name)) }

const seatPrefix = "seat."

// seatFile is the name of a worker's own socket among the files of a legacy.
func seatFile(listener int, name string) string {
	return fmt.Sprintf("%s%d.%s", seatPrefix, listener, name)
}

// seated is the group if the worker has a seat in it, else nil.
func (s *seating) seated(worker string) *seats.Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group != nil && s.group.Has(worker) {
		return s.group
	}
	return nil
}

// Seated says whether a worker has a socket of its own.
func (l *Listener) Seated(worker string) bool { return l.seats.seated(worker) != nil }

// SeatsOf are the listeners at which a worker has a socket of its own, also those
// that take no new clients any more.
func (s *Set) SeatsOf(worker string) (all []*Listener) {
	s.mu.Lock()
	open := s.all()
	s.mu.Unlock()
	for _, l := range open {
		if l.Seated(worker) {
			all = append(all, l)
		}
	}
	return all
}

// Shares says whether a worker takes clients at a socket that others share.
func (l *Listener) Shares(worker string) bool {
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	return l.seats.sharers[worker]
}

// Vacant says whether no worker has a socket of its own, or a shared one.
func (l *Listener) Vacant() bool {
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	return len(l.seats.borrowers) == 0 && len(l.seats.sharers) == 0 &&
		(l.seats.group == nil || len(l.seats.group.Workers()) == 0)
}

// Accepted waits until a worker has accepted a connection on its own socket.
func (l *Listener) Accepted(ctx context.Context, worker string) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Accepted(ctx, worker)
	}
	return nil
}

// Borrow returns the socket for a worker's program that shares one: l's own, as a rule.
func (s *Set) Borrow(l *Listener, worker string) (*os.File, error) {
	file, common, err := l.seats.borrow(worker, l.file)
	if err == nil && !common {
		s.watchSeat(file)
	}
	return file, err
}

func (s *seating) borrow(worker string, common *os.File) (file *os.File, isCommon bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, isCommon = common, true
	if s.group != nil {
		if file, isCommon, err = s.group.Share(); err != nil {
			return nil, false, err
		}
	}
	if s.borrowers == nil {
		s.borrowers = map[string]bool{}
	}
	s.borrowers[worker] = isCommon
	return file, isCommon, nil
}

func (s *seating) borrowed(worker string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, yes := s.borrowers[worker]
	return yes
}

// Serve sends new clients to a worker that is ready. A worker without its own socket
// serves at the common one, if it has inherited that or got it when it bound.
func (l *Listener) Serve(worker string, inherits bool) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Serve(worker)
	}
	if !inherits && !l.seats.borrowed(worker) {
		return nil
	}
	return l.seats.share(worker, true)
}

// Leave sends no new client to a worker any more.
func (l *Listener) Leave(worker string) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Leave(worker)
	}
	return l.seats.share(worker, false)
}

// Gone is Leave for a worker that has ended.
func (l *Listener) Gone(worker string) error {
	if group := l.seats.seated(worker); group != nil {
		return errors.Join(group.Gone(worker), group.Trim(spareSeats))
	}
	err := l.seats.share(worker, false)
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	delete(l.seats.borrowers, worker)
	return err
}

// share counts the workers that serve at the common socket.
func (s *seating) share(worker string, serves bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sharers[worker] == serves {
		return nil
	}
	if s.sharers == nil {
		s.sharers = map[string]bool{}
	}
	if s.sharers[worker] = true; !serves {
		delete(s.sharers, worker)
	}
	if s.group == nil {
		return nil
	}
	return s.steer()
}

// steer tells the group how many workers serve at which shared socket. It holds s.mu.
func (s *seating) steer() error {
	elsewhere := 0
	for worker := range s.sharers {
		if common, borrowed := s.borrowers[worker]; borrowed && !common {
			elsewhere++
		}
	}
	return errors.Join(s.group.ServeCommon(len(s.sharers)-elsewhere), s.group.ServeShared(elsewhere))
}

// Emptied says whether no client waits at a worker's own socket, or is on its way
// there.
func (l *Listener) Emptied(worker string) bool {
	group := l.seats.seated(worker)
	if group == nil {
		return true
	}
	queue, err := group.Queue(worker)
	return err != nil || queue.Waiting == 0 && queue.HalfOpen == 0
}

// close closes the seats: connections that were not accepted are reset.
func (s *seating) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		return nil
	}
	err := s.group.Close()
	s.group = nil
	return err
}

// used says whether a worker has a socket of its own.
func (s *seating) used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.group != nil
}

// even says whether workers have sockets of their own, or none shares one.
func (s *seating) even() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.group != nil && (len(s.borrowers) == 0 || len(s.group.Workers()) > 0)
}

// spareSeats are kept open for the next workers.
const spareSeats = 2

// ServedByOthers says whether new clients go to other workers than this one.
func (l *Listener) ServedByOthers(worker string) bool {
	group := l.seats.seated(worker)
	return group != nil && !group.Serving(worker)
}

// Divert keeps new clients out of all workers' own sockets, because the app ends.
func (l *Listener) Divert() error {
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	if l.seats.group == nil {
		return nil
	}
	return l.seats.group.Divert()
}
