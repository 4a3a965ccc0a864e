package listeners

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Healed reports a shared socket that a worker had damaged for all others.
type Healed struct {
	Listener string // its name
	Address  string
	What     string // "shut down", "made blocking", "accept queue shortened to 1"
	// Renewed: the old socket could not be repaired, and a new one took its place. Workers
	// that were started before hold the old one and have to be replaced.
	Renewed bool
	At      time.Time // when it was mended
	Outside bool      // the cause was outside of the workers
	Err     error     // it is still damaged
}

// standing is the state of a listener, from serving to closed.
type standing int

const (
	open    standing = iota
	retired          // takes no new clients; those in its queue may be accepted
	parked           // refuses clients and keeps its address
	closed           // terminal
)

// Reassert makes the socket non-blocking (or blocking, if that is wanted) and gives its accept
// queue the wanted length again. Both are properties of the shared socket, which any worker can
// change for all others.
func (l *Listener) Reassert() error {
	fd := int(l.file.Fd())
	if err := l.setMode(); err != nil {
		return err
	}
	if l.Datagram() || l.ofProgram && l.Network.IsUnix() {
		return nil
	}
	if err := unix.Listen(fd, l.backlog()); err != nil {
		return fmt.Errorf("cannot set the accept queue of listener %s: %w", l.Name, err)
	}
	l.queue = queueLength(l)
	return nil
}

func (l *Listener) setMode() error {
	if l.ofProgram || l.seats.decideMode() {
		return nil
	}
	if err := unix.SetNonblock(int(l.file.Fd()), !l.Blocking); err != nil {
		return fmt.Errorf("cannot make listener %s %s: %w", l.Name, modeText(l.Blocking), err)
	}
	return nil
}

func modeText(blocking bool) string {
	if blocking {
		return "blocking"
	}
	return "non-blocking"
}

// forgetShutdown cleans a TCP socket that no longer listens. A second shutdown(2) of the
// same socket leaves a mark (sk_shutdown; inet_shutdown in net/ipv4/af_inet.c) that
// survives listen(2) and is copied to every connection: each would read an end-of-file. A
// shutdown while the socket listens removes the mark.
func (l *Listener) forgetShutdown() error {
	fd := int(l.file.Fd())
	err := unix.Listen(fd, l.backlog())
	if err == nil {
		err = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	if err != nil {
		return fmt.Errorf("cannot bring listener %s back: %w", l.Name, err)
	}
	return nil
}

// Inspect looks at all listeners and repairs what a worker may have done to them: shut
// one down, made it blocking, or shortened its accept queue. It returns what it found,
// and passes it to OnHealed. The queue length of a Unix socket cannot be read; it is set
// again without a report.
func (s *Set) Inspect() []Healed { return s.look(false) }

// look is Inspect; hungUp says that the epoll set has reported a hangup.
func (s *Set) look(hungUp bool) []Healed {
	s.mu.Lock()
	var found []Healed
	for _, l := range s.all() {
		found = append(found, s.inspect(l, hungUp)...)
	}
	s.mu.Unlock()
	s.tell(found)
	return found
}

// Reassert is Inspect without the result.
func (s *Set) Reassert() { s.Inspect() }

// inspect holds s.mu.
func (s *Set) inspect(l *Listener, hungUp bool) (found []Healed) {
	if l.standing == parked || l.standing == closed {
		return nil
	}
	if l.seats.used() {
		s.mendSeats(l, hungUp)
		return nil
	}
	damage, usual, err := l.damage()
	renewed := false
	if err == nil && shutDown(l) {
		damage = append([]string{"shut down"}, damage...)
		if l.socket != nil {
			err, renewed = s.renew(l), true
		} else if l.Abstract() && !l.lent {
			err = fmt.Errorf("cannot renew listener %s: while workers have it nothing else can take its abstract "+
				"name; restart the app", l.Name)
		} else if l.Network.IsUnix() {
			err = fmt.Errorf("cannot renew listener %s: the service manager holds it; restart its .socket unit", l.Name)
		} else {
			err = l.forgetShutdown()
		}
	}
	// Nothing is seen of a Unix socket's queue.
	if err == nil && (len(damage) > 0 || usual || l.socket != nil || l.Abstract()) {
		err = l.Reassert()
	}
	if err != nil && len(damage) == 0 {
		damage = []string{"damaged"}
	}
	if err != nil && err.Error() == l.broken {
		return nil // told
	}
	l.broken = ""
	if err != nil {
		l.broken = err.Error()
	}
	for _, what := range damage {
		found = append(found, Healed{Listener: l.Name, Address: l.Address, What: what, Renewed: renewed, At: time.Now(),
			Err: err})
	}
	return found
}

// usualQueue is the least queue length that well-behaved programs set: Node calls
// listen(2) again on sockets that it inherits, with 511, Python's asyncio with 100. That
// is repaired without a report.
const usualQueue = 100

// damage says what is wrong with a socket that still listens. It also disconnects a
// connected UDP socket, which would get the packets of one client only. usual says that
// something is wrong which some programs cause at every start.
func (l *Listener) damage() (what []string, usual bool, err error) {
	flags, err := unix.FcntlInt(l.file.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return nil, false, fmt.Errorf("cannot look at listener %s: %w", l.Name, err)
	}
	if blocking := flags&unix.O_NONBLOCK == 0; blocking != l.Blocking && !l.ofProgram && !l.seats.decideMode() {
		what = append(what, "made "+modeText(blocking))
	}
	if peer := l.peer(); peer != "" && (l.shared || !l.ofProgram) {
		what = append(what, "connected to "+peer)
		err = l.disconnect()
	}
	now := queueLength(l)
	short := now < l.queue && !shutDown(l)
	if short && now < usualQueue {
		what = append(what, fmt.Sprintf("accept queue shortened to %d", now))
	}
	return what, short, err
}

// tell reports what was found, without s.mu.
func (s *Set) tell(found []Healed) {
	for _, h := range found {
		if h.Err != nil {
			s.log.Error("listener is damaged", "listener", h.Listener, "address", h.Address, "what", h.What, "err", h.Err)
		}
		if s.healed != nil {
			s.healed(h)
		}
	}
}
