package seats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// Reasons why workers cannot have sockets of their own.
var (
	ErrUnsupported = errors.New("only Linux steers connections")
	ErrNotTCP      = errors.New("the socket is not TCP, or it is MPTCP")
	ErrNoReusePort = errors.New("the socket was bound without SO_REUSEPORT (ReusePort=yes in a .socket unit)")
	ErrOtherUser   = errors.New("the socket was opened by another user, whose sockets alone can share its port")
	ErrNoSeat      = errors.New("the worker has no socket of its own")
)

const seatPrefix = "seat."

// Keeper keeps what the next master needs if this one is killed: each seat when it is
// opened. Its methods must not call the Group.
type Keeper interface {
	Keep(name string, file *os.File)
	Drop(name string)
}

// Options are what a Group may be made with. The zero value works.
type Options struct {
	Log    *slog.Logger // default: none
	Keeper Keeper       // default: none
	// LendCommon lets Take give the common socket to a worker, as if it were a seat, as long
	// as no worker serves at it (ServeCommon). So connections that came before any worker was
	// ready are served. Default: no worker gets the common socket.
	LendCommon bool
}

// Group is the sockets of one TCP address. Its methods are safe for concurrent use.
type Group struct {
	log    *slog.Logger
	keeper Keeper
	lend   bool
	where  where

	mu      sync.Mutex
	common  *seat
	members []*seat // in the kernel's order
	weight  int     // how many workers serve at the common socket

	sharedWeight int   // how many serve at the shared one
	rest         *seat // takes connections while no worker serves: Rest
	lastID       int
	attached     bool // a program is in force
	closed       bool
	blind        bool // the kernel does not show the order; logged once
	renewed      bool // the common socket was replaced: Renewed
	probes       []*probe

	noDiag atomic.Bool     // sock_diag does not answer
	turns  chan struct{}   // taken by probes
	life   context.Context // ends with Close
	end    context.CancelFunc
	ending sync.WaitGroup // probes that are being closed
}

// where is what the members of a group have in common.
type where struct {
	address      netip.AddrPort
	six, onlySix bool
	device       int // the index of the interface that they are bound to, 0: none
}

// reachable are the addresses at which this host reaches the group, the best first.
func (w where) reachable() []netip.Addr {
	bound := w.address.Addr().Unmap()
	four, six := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	switch {
	case !bound.IsUnspecified():
		return []netip.Addr{bound}
	case !w.six:
		return []netip.Addr{four}
	case w.onlySix:
		return []netip.Addr{six}
	}
	return []netip.Addr{six, four} // a host may be without IPv6 on its loopback
}

// New makes a group of a listening socket, which the caller still owns. The socket must
// have had SO_REUSEPORT before it was bound. No BPF program is attached until a seat is
// taken.
func New(common *os.File, o Options) (*Group, error) {
	w, err := examine(common)
	if err != nil {
		return nil, err
	}
	return newGroup(common, w, o), nil
}

func newGroup(common *os.File, w where, o Options) *Group {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &seat{file: common, share: 1, slot: -1}
	g := &Group{
		log: o.Log, keeper: o.Keeper, lend: o.LendCommon, where: w, common: s, members: []*seat{s},
		turns: make(chan struct{}, probesAtOnce),
	}
	g.life, g.end = context.WithCancel(context.Background())
	return g
}

// Address is where the group listens, as getsockname says it.
func (g *Group) Address() netip.AddrPort { return g.where.address }

// Take returns a seat for a worker: its present seat; or else the seat that an earlier
// worker of its slot left, so that its queue is served; or a free seat, preferably one in
// which connections wait; or a new one. New connections go there only after Serve, unless
// connections go to that seat already for want of a serving worker. The group owns the
// file, which is not in the runtime's poller.
func (g *Group) Take(worker string, slot int, want SocketOptions) (*os.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, err := g.choose(worker, slot)
	if err != nil {
		return nil, err
	}
	if !listening(s.file) { // the previous worker shut it down
		if err := g.repair(); err != nil {
			return nil, err
		}
	}
	if s.holder != worker {
		s.sticky, s.trial = false, nil
	}
	s.holder, s.slot, s.reserved, s.suspended, s.left = worker, slot, false, false, nil
	refused, err := s.prepare(want)
	if err != nil {
		return nil, err
	}
	for _, err := range refused {
		g.log.Warn("a socket option of the program is lost",
			"worker", worker, "address", g.where.address.String(), "err", err)
	}
	return s.file, nil
}

// Share returns a socket for workers that share one; common says that it is the common
// socket. While a worker has the common socket as its own seat, Share returns another one:
// otherwise that worker would still take connections of the others while it leaves.
func (g *Group) Share() (file *os.File, common bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.members {
		if s.shared {
			return s.file, false, nil
		}
	}
	if g.common.holder == "" {
		return g.common.file, true, nil
	}
	s, err := g.grow()
	if err != nil {
		return nil, false, err
	}
	s.shared = true
	if err := setNonblock(s.file, true); err != nil {
		return nil, false, fmt.Errorf("cannot let workers share a socket: %w", err)
	}
	return s.file, false, nil
}

// choose finds or makes a seat. The caller holds g.mu, here and in all functions below.
func (g *Group) choose(worker string, slot int) (*seat, error) {
	if s := g.seatOf(worker); s != nil {
		return s, nil
	}
	if s := g.rest; s != nil && s.holder == "" {
		g.rest = nil
		return s, nil
	}
	var free, reserved []*seat
	for _, s := range g.members {
		switch {
		case s == g.common && !(g.lend && g.weight == 0 && g.sharedWeight == 0):
		case s.holder == "" && s.reserved && s.slot == slot:
			reserved = append(reserved, s)
		case s.free():
			free = append(free, s)
		}
	}
	if s := longestQueue(reserved); s != nil {
		return s, nil
	}
	if s := longestQueue(free); s != nil {
		return s, nil
	}
	return g.grow()
}

// longestQueue returns the seat with the longest queue; of several, the first.
func longestQueue(seats []*seat) *seat {
	if len(seats) == 0 {
		return nil
	}
	return slices.MaxFunc(seats, func(a, b *seat) int { return a.urgency() - b.urgency() })
}

// urgency is higher for seats at which connections wait.
func (s *seat) urgency() int { return queueLength(s.file) + s.share }

// grow appends a new seat. Before the seat listens, a BPF program without it has to be
// attached, or the kernel would send connections there.
func (g *Group) grow() (*seat, error) {
	if g.closed {
		return nil, fmt.Errorf("cannot open a socket for a worker at %s: the listener is closed", g.where.address)
	}
	if !g.anyListens() {
		if err := g.repair(); err != nil {
			return nil, err
		}
	}
	if !g.attached {
		if err := g.attach(); err != nil {
			return nil, err
		}
	}
	g.lastID++
	s := &seat{id: g.lastID, slot: -1}
	var err error
	if s.file, err = openSeat(g.where, s.name()); err == nil {
		err = listen(s.file, 0)
	}
	if err != nil {
		if s.file != nil {
			s.file.Close()
		}
		return nil, fmt.Errorf("cannot open a socket for a worker at %s: %w", g.where.address, err)
	}
	g.members = append(g.members, s)
	if g.keeper != nil {
		g.keeper.Keep(s.name(), s.file)
	}
	g.confirm(s)
	return s, nil
}

// name is what the seat's file is called in a legacy and by the Keeper.
func (s *seat) name() string { return seatPrefix + strconv.Itoa(s.id) }

func (g *Group) seatOf(worker string) *seat {
	for _, s := range g.members {
		if worker != "" && s.holder == worker {
			return s
		}
	}
	return nil
}

// Gone says that no process of a worker is left. Its seat becomes free; while connections
// wait there, only the slot's next worker may take it. If the slot already has another worker,
// such as the old one beside a canary that has died, these connections are reset, because no
// worker would accept them for a long time.
func (g *Group) Gone(worker string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	if s == nil {
		return nil
	}
	err := g.leave(s)
	s.holder, s.reserved = "", true
	if s.share == 0 && g.slotHeld(s.slot) {
		err = errors.Join(err, refuseWaiting(s.file))
	}
	return err
}

// Forget says that a slot does not exist any more: its seats become free for all slots.
func (g *Group) Forget(slot int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.members {
		if s.holder == "" && s.slot == slot {
			s.reserved = false
		}
	}
}

// Close closes the seats and ends the steering. The common socket stays open.
func (g *Group) Close() error {
	err := g.closeSeats()
	g.end()
	g.ending.Wait()
	return err
}

// Detach closes this process's copies of the seats and changes nothing in the kernel,
// because another master continues with the group. The end of the process has the same
// effect.
func (g *Group) Detach() {
	g.mu.Lock()
	g.closed = true
	for _, s := range g.members {
		if s.id > 0 {
			s.file.Close()
		}
	}
	g.members = []*seat{g.common}
	g.mu.Unlock()
	g.end()
	g.ending.Wait()
}

func (g *Group) closeSeats() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	for _, s := range g.members {
		s.serving, s.share = false, 0
	}
	g.weight, g.sharedWeight, g.common.share = 0, 0, 1
	failed := g.settle()
	g.members = slices.DeleteFunc(g.members, (*seat).stranger)
	for len(g.members) > 1 {
		last := len(g.members) - 1
		if g.members[last] == g.common { // it is last if it was shut down and has listened again
			last--
		}
		failed = errors.Join(failed, g.remove(last))
	}
	failed = errors.Join(failed, g.settle())
	g.closed = true
	return failed
}

// remove closes a seat. The last member takes its place, as in the kernel.
func (g *Group) remove(at int) error {
	s, last := g.members[at], len(g.members)-1
	g.members[at] = g.members[last]
	g.members = g.members[:last]
	if g.keeper != nil {
		g.keeper.Drop(s.name())
	}
	if err := closeSeat(s.file); err != nil {
		return fmt.Errorf("cannot close a worker's socket at %s: %w", g.where.address, err)
	}
	return nil
}

// Has says whether a worker has a seat.
func (g *Group) Has(worker string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seatOf(worker) != nil
}

// Workers returns the workers that have a seat.
func (g *Group) Workers() (all []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.members {
		if s.holder != "" && s.holder != decoy {
			all = append(all, s.holder)
		}
	}
	return all
}
