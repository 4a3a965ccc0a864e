package launch

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"relevo/internal/capture"
	"relevo/internal/ipc"
	"relevo/pool"
)

// Sockets provides sockets for workers whose programs bind their own port. A worker's
// *own* sockets are those on which no other worker accepts: relevo decides whether they
// get new clients. The methods are safe for concurrent use.
type Sockets interface {
	// Bind answers a bind of the worker's program.
	Bind(o pool.Order, b capture.Bind) Grant
	// Accepted waits until the worker has accepted a connection on each of its own
	// sockets.
	Accepted(ctx context.Context, o pool.Order) error
	// Serve sends new clients to the worker, which is ready; a canary on trial gets only its
	// share.
	Serve(o pool.Order)
	// Admit ends the trial of a canary.
	Admit(o pool.Order)
	// Leave sends no new client to the worker any more.
	Leave(o pool.Order)
	// Closed takes from the worker the socket of its own at an address, which it has closed. It
	// says whether the worker has another one.
	Closed(o pool.Order, address string) (other bool)
	// Emptied says whether no client waits at the worker's own sockets, or is on its way
	// to them.
	Emptied(o pool.Order) bool
	// Others says whether another worker serves where this one did.
	Others(o pool.Order) bool
	// Ports are those of the worker's own sockets.
	Ports(o pool.Order) []uint16
	// Gone says that no process of the worker is left.
	Gone(o pool.Order)
	// Expected says whether programs of this app are known to bind an address. Then a worker
	// that has bound nothing is not ready.
	Expected() bool
	// First says whether this is the app's first generation, so that it is not known
	// whether its programs bind.
	First() bool
}

// Grant is the answer to a bind.
type Grant struct {
	Answer  capture.Answer
	Address string   // of the master's socket; empty: the kernel binds the program's own
	Own     bool     // the socket is the worker's own
	File    *os.File // the socket, if other workers accept on it, too; owned by the Sockets
	Refused error    // why the address of a server was not captured
	Socket  *os.File // the socket, own or shared; nil if Address is empty; owned by the Sockets
}

// binder answers the binds of one worker.
type binder struct {
	sockets Sockets       // nil: nothing is captured
	bound   chan struct{} // capacity 1: a hint that a socket was bound, or closed

	leading  sync.Mutex // held while clients are directed to the worker, or away
	left     bool       // under leading: the worker leaves, and gets no new client
	admitted bool       // under leading: it is no longer a canary on trial

	granting sync.Mutex // held while a bind is answered, or sockets are given back

	mu            sync.Mutex
	notifications *capture.Notifications // nil: the kernel reports no binds
	own           bool                   // it has a socket of its own
	binds         int                    // how many were answered with a socket of the master's
	addresses     []string               // the addresses of these
	listening     int                    // how many of them, from the first on, were reported by listens
	shared        []Listener             // the sockets on which other workers accept, too
	asked         []bound                // what its program has asked for
	refused       error                  // why the last address was not captured
	accepts       bool                   // a connection was accepted on each socket of its own
	word          string                 // how it said that it was ready, before that
}

func newBinder(s Sockets) *binder { return &binder{sockets: s, bound: make(chan struct{}, 1)} }

// beginCapture starts answering binds, through the descriptor of the worker's filter.
func (p *Process) beginCapture(file *os.File) { p.capture(file, false) }

// resumeCapture is beginCapture for a worker that another master has started.
func (p *Process) resumeCapture(file *os.File) { p.capture(file, true) }

func (p *Process) capture(file *os.File, resumes bool) {
	if file == nil {
		return
	}
	notifications, err := capture.Open(file)
	if err != nil {
		file.Close()
		p.release.launcher.warn("a worker's binds are not captured", "pid", p.pid, "err", err)
		return
	}
	p.binder.mu.Lock()
	p.binder.notifications = notifications
	p.binder.mu.Unlock()
	p.watches.Go(func() { p.answerBinds(notifications, resumes) })
	p.watches.Go(p.watchAcceptance)
}

// answerBinds runs as long as a process of the worker can bind. If a worker waits for an
// answer of a previous master that was killed, it would wait forever: it is killed, and
// its slot gets another one; one that was still starting is started again.
func (p *Process) answerBinds(notifications *capture.Notifications, resumes bool) {
	if resumes && notifications.Resume(p.processes(), p.answerBind) {
		p.release.launcher.warn("a worker is killed: it hangs in a bind that the previous master was killed over",
			"pid", p.pid)
		p.again.Store(true) // without blame for its release, if it has not served yet
		p.handle.killGroup(p.pid)
	}
	err := notifications.Serve(p.answerBind)
	if err != nil && !errors.Is(err, capture.ErrEnded) && !errors.Is(err, os.ErrClosed) && !isClosed(p.detached) {
		p.release.launcher.warn("binds of a worker are no longer answered", "pid", p.pid, "err", err)
	}
}

func (p *Process) answerBind(b capture.Bind) capture.Answer {
	<-p.launched
	grant, first := p.grant(b)
	if first {
		p.sink(pool.Captured{Address: grant.Address})
		p.persist() // else the next master could give the socket to another worker
	}
	return grant.Answer
}

// grant answers a bind, or a server's wish to listen; first says that the pool does not
// know of the address yet.
func (p *Process) grant(b capture.Bind) (grant Grant, first bool) {
	p.binder.granting.Lock()
	defer p.binder.granting.Unlock()
	if !b.Asked && p.isDebuggers(b) {
		p.shareDebugger(b)
		return Grant{Answer: capture.LetThrough()}, false
	}
	if p.binder.inUse(b, p.processes) {
		return Grant{Answer: capture.Answer{FD: -1, Errno: syscall.EADDRINUSE}, Refused: syscall.EADDRINUSE}, false
	}
	grant = p.binder.sockets.Bind(p.order, b)
	p.binder.refuse(grant.Refused)
	if grant.Answer.FD >= 0 {
		p.binder.remember(b, grant)
	}
	return grant, grant.Address != "" && p.binder.note(grant)
}

// processes returns the pids of the worker and its descendants.
func (p *Process) processes() (pids []int) {
	for _, relative := range kin(p.pid) {
		pids = append(pids, relative.pid)
	}
	return pids
}

// note counts a bind, and says whether it is the first of its address.
func (b *binder) note(g Grant) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own, b.binds = b.own || g.Own, b.binds+1
	first = !slices.Contains(b.addresses, g.Address)
	if first {
		b.addresses = append(b.addresses, g.Address)
	}
	if first && g.File != nil {
		b.shared = append(b.shared, Listener{Address: g.Address, File: g.File})
	}
	b.hint()
	return first
}

// hint makes watchAcceptance look again.
func (b *binder) hint() {
	select {
	case b.bound <- struct{}{}:
	default: // a hint is already waiting
	}
}

func (b *binder) state() (own bool, binds int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own, b.binds
}

func (b *binder) hasOwn() bool { own, _ := b.state(); return own }

func (b *binder) hasBound() bool { _, binds := b.state(); return binds > 0 }

// observable returns the sockets on which the worker can be seen to wait.
func (b *binder) observable(inherited []Listener) []Listener {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Concat(inherited, b.shared)
}

// watchAcceptance makes the worker ready only when it has accepted a connection on each
// socket of its own: a program may open its listener long before it serves. A socket that
// it binds later gets clients when it accepts there.
func (p *Process) watchAcceptance() {
	ctx, cancel := p.untilDetached()
	defer cancel()
	unbound := time.NewTimer(boundByThen)
	defer unbound.Stop()
	told := false
	for {
		select {
		case <-p.binder.bound:
			if told {
				p.waitsFor(nil)
				p.observed(pool.Obstructed{})
				told = false
			}
		case <-unbound.C:
			told = p.tellUnbound()
			continue
		case <-ctx.Done():
			return
		}
		if word := p.binder.withoutSocket(); word != "" {
			p.observed(pool.Obstructed{})
			p.isReady(word)
		}
		if !p.binder.hasOwn() || p.binder.hasLeft() {
			continue
		}
		_, before := p.binder.state()
		if p.hasAccepted(ctx) != nil {
			if ctx.Err() != nil {
				return
			}
			continue
		}
		if _, now := p.binder.state(); now != before {
			continue // its claim is already in the channel
		}
		if word := p.binder.accepted(); p.isSettled() { // ready before it bound anything
			p.binder.serve(p.order)
			p.introduce()
		} else if word != "" {
			p.observed(pool.Obstructed{})
			p.isReady(word)
		} else if !p.ready.hasSpoken() && p.ready.accepts() {
			p.isReady("accepted")
		}
	}
}

// hasAccepted waits until the worker has accepted on each socket of its own that it keeps.
func (p *Process) hasAccepted(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.watches.Go(func() { p.giveBackClosed(ctx) })
	return p.binder.sockets.Accepted(ctx, p.order)
}

// untilDetached returns a context that ends when the process ends, or when this master
// detaches from it.
func (p *Process) untilDetached() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-p.detached:
		case <-p.gone:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}

// The methods below also work for a binder whose worker is not captured.

// file returns the descriptor by which binds are answered, nil if there is none.
func (b *binder) file() *os.File {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notifications == nil {
		return nil
	}
	return b.notifications.File()
}

func (b *binder) expected() bool { return b.sockets != nil && b.sockets.Expected() }

// serve sends clients to the worker, unless it leaves: this master or the previous one
// may have asked it to leave before it was known to accept.
func (b *binder) serve(o pool.Order) {
	b.leading.Lock()
	defer b.leading.Unlock()
	o.Canary = o.Canary && !b.admitted
	if b.sockets != nil && !b.left {
		b.sockets.Serve(o)
	}
}

// onTrial says whether the worker is a canary that is not admitted yet.
func (b *binder) onTrial(o pool.Order) bool {
	b.leading.Lock()
	defer b.leading.Unlock()
	return o.Canary && !b.admitted
}

// admit ends the trial of a canary.
func (b *binder) admit(o pool.Order) {
	b.leading.Lock()
	defer b.leading.Unlock()
	b.admitted = true
	if b.sockets != nil && !b.left {
		b.sockets.Admit(o)
	}
}

func (b *binder) leave(o pool.Order) {
	b.leading.Lock()
	defer b.leading.Unlock()
	b.left = true
	if b.sockets != nil {
		b.sockets.Leave(o)
	}
}

func (b *binder) hasLeft() bool {
	b.leading.Lock()
	defer b.leading.Unlock()
	return b.left
}

// end frees the sockets of a worker that has ended.
func (b *binder) end(o pool.Order) {
	if b.sockets != nil {
		b.sockets.Gone(o)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notifications != nil {
		b.notifications.Close()
	}
}

// detach stops answering: the next bind waits for another master.
func (b *binder) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notifications != nil {
		b.notifications.Stop()
	}
}

func (b *binder) restore(l processLegacy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addresses, b.binds, b.own, b.left, b.asked = l.Bound, len(l.Bound), l.Own, l.Asked, l.Binds
	b.word = l.Word
	if b.listening = min(l.Listening, len(l.Bound)); l.Settled && b.listening == 0 {
		b.listening = len(l.Bound) // an older master did not write how many
	}
	if len(l.Bound) > 0 {
		b.bound <- struct{}{} // whether it accepts there may not be known yet
	}
}

// departs says whether depart leads the worker out. It does if new clients can be kept from
// the worker, or if its script handles the disconnection of Node's cluster, unless the
// program has said that it drains by itself.
func (p *Process) departs() bool {
	return !p.greeted.Load() && (p.binder.hasOwn() || p.disconnects && p.binder.hasBound())
}

// introduce makes the pool ask the worker to drain by message; depart handles that
// message in the worker's place.
func (p *Process) introduce() {
	if p.departs() && p.introduced.CompareAndSwap(false, true) {
		p.sink(pool.Said{Message: ipc.Hello{Protocol: 1}})
	}
}

func (b *binder) legacy(l *processLegacy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.Listening = b.listening
	l.Bound, l.Own, l.Binds = slices.Clone(b.addresses), b.own, slices.Clone(b.asked)
	l.Word = b.word
}
