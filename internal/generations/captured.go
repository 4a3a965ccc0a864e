package generations

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"relevo/internal/capture"
	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/upgrader/listeners"
	"relevo/upgrader/listeners/seats"
)

// maxTold bounds the warnings of one generation about binds.
const maxTold = 10

// capturing gives the workers of a generation sockets for what their programs bind:
// launch.Sockets.
type capturing struct {
	hold     *Hold
	stopping func() bool // the app stops: no worker follows the one that leaves
	log      *slog.Logger
	told     atomic.Int32 // binds that were let through with a warning
	balance  config.Balance
	expected bool     // the previous generation had captured listeners
	first    bool     // there was no previous generation
	share    *float64 // of new connections, for canaries; nil: as for other workers
}

var _ launch.Sockets = (*capturing)(nil)

// Bind answers a bind: launch.Sockets.
func (c *capturing) Bind(o pool.Order, b capture.Bind) launch.Grant {
	if !serves(b) {
		return launch.Grant{Answer: capture.LetThrough()}
	}
	c.hold.binding.RLock()
	defer c.hold.binding.RUnlock()
	program := c.program(o, b)
	l, lost, err := c.hold.borrow(b, program)
	if err != nil {
		err = refusal{c.hold.all.rivals, err}
		if c.told.Add(1) <= maxTold {
			message := "a program binds an address for which relevo has no socket: it listens there by itself"
			if b.Asked {
				message = "relevo has no socket for a server of a worker: the server gets an error"
			}
			go c.log.Warn(message, "worker", o.ID, "address", b.Address, "err", err)
		}
		return launch.Grant{Answer: capture.LetThrough(), Refused: err}
	}
	c.lost(o, l, lost)
	c.compare(l, b)
	balance := cmp.Or(c.hold.all.Set.Balance(l), c.balance)
	if balance == config.BalanceShared {
		return c.shared(l, o)
	}
	file, err := c.hold.all.Set.Seat(l, o.ID, o.Slot, wishes(b.Socket))
	if err != nil {
		c.sharing(l, o, balance, err)
		return c.shared(l, o)
	}
	if balance == config.BalanceSticky {
		c.stick(l, o)
	}
	return launch.Grant{Answer: capture.Answer{FD: int(file.Fd())}, Address: l.Address, Own: true, Socket: file}
}

// sharing says once why a worker has no socket of its own. Unix sockets and UDP have none, so that
// is worth a line only if the configuration asks for it.
func (c *capturing) sharing(l *listeners.Listener, o pool.Order, wanted config.Balance, err error) {
	expected := errors.Is(err, seats.ErrUnsupported) || errors.Is(err, seats.ErrNotTCP) ||
		errors.Is(err, seats.ErrNoReusePort)
	natural := l.Datagram() || l.Network.IsUnix()
	switch {
	case !expected:
		c.log.Error("a worker shares the common socket", "worker", o.ID, "address", l.Address, "err", err)
	case natural && (wanted == config.BalanceEven || wanted == config.BalanceSticky):
		if c.hold.all.once.First("balance " + l.Address) {
			c.log.Warn("all workers share one socket, although balance is "+string(wanted)+": that is for TCP only", "address",
				l.Address)
		}
	case !natural:
		if c.hold.all.once.First("balance " + l.Address) {
			message := "all workers share one socket: clients are not spread evenly"
			if wanted == config.BalanceSticky {
				message = "all workers share one socket: clients do not stick to workers"
			}
			c.log.Warn(message, "address", l.Address, "err", err)
		}
	}
}

// lost warns of options of a program's own socket that the master's socket does not have.
func (c *capturing) lost(o pool.Order, l *listeners.Listener, options []error) {
	for _, err := range options {
		c.log.Warn("a socket option of the program is lost", "worker", o.ID, "address", l.Address, "err", err)
	}
}

// compare says once that the program binds something else than the listeners name.
func (c *capturing) compare(l *listeners.Listener, b capture.Bind) {
	asked := listenOf(b)
	if l.Listen.TakesIPv4Of(asked) && c.hold.all.once.First("bound "+asked.Address) {
		c.log.Info("the program binds only IPv4 addresses: those of IPv6, which are served, stay until the app is "+
			"stopped", "address", asked, "listener", l.Listen)
		return
	}
	configured := c.hold.configuredNames()
	if len(configured) == 0 || asked.Network.IsUnix() || asked.Datagram() {
		return
	}
	captured := !slices.Contains(configured, l.Name)
	if !captured && anyAddress(b) || l.Listen.Address == asked.Address && !captured ||
		!c.hold.all.once.First("bound "+asked.Address) {
		return
	}
	if captured {
		c.log.Info("the program binds an address that no listener names: it is served there; "+
			"clients of the listeners wait until it takes or binds those as well. "+
			"If it never does, give --listen the address that it binds, or leave --listen away",
			"address", asked, "listeners", strings.Join(configured, " "))
		return
	}
	c.log.Info("the program binds another address than the listener: relevo serves the address of the listener",
		"address", asked, "listener", l.Listen)
}

// wishes returns the properties of a program's own socket, for the one that replaces it.
func wishes(s capture.Socket) seats.SocketOptions {
	o := seats.SocketOptions{Nonblock: s.NonBlocking}
	for _, option := range s.Options {
		value := binary.NativeEndian.AppendUint32(nil, uint32(option.Value))
		o.Set = append(o.Set, seats.Option{Level: option.Level, Name: option.Name, Value: value})
	}
	return o
}

// Accepted waits for the worker's own sockets: launch.Sockets.
func (c *capturing) Accepted(ctx context.Context, o pool.Order) error {
	for _, l := range c.hold.listeners() {
		if err := l.Accepted(ctx, o.ID); err != nil {
			return err
		}
	}
	return nil
}

// Serve directs clients to the worker: launch.Sockets.
func (c *capturing) Serve(o pool.Order) {
	for i, l := range c.hold.listeners() {
		c.report(c.lead(l, o, i < c.hold.configured))
		c.unstuck(l, o, i < c.hold.configured)
	}
}

// Leave directs no new client to the worker: launch.Sockets.
func (c *capturing) Leave(o pool.Order) {
	for _, l := range c.hold.listeners() {
		if c.stopping() {
			c.report(l.Divert())
		}
		c.report(l.Leave(o.ID))
	}
}

// Gone removes a worker that has ended: launch.Sockets.
func (c *capturing) Gone(o pool.Order) {
	c.report(c.hold.forget(o.ID))
	for _, l := range c.hold.listeners() {
		c.report(l.Gone(o.ID))
	}
}

// Closed takes back a socket that the worker has closed: launch.Sockets.
func (c *capturing) Closed(o pool.Order, address string) (other bool) {
	for _, l := range c.hold.listeners() {
		if l.Address == address {
			c.report(l.Gone(o.ID))
		}
		other = other || l.Seated(o.ID)
	}
	c.report(c.hold.vacate(address))
	return other
}

func (c *capturing) report(err error) {
	if err != nil {
		c.log.Error("cannot steer clients", "err", err)
	}
}

// Emptied says whether no client waits for the worker: launch.Sockets.
func (c *capturing) Emptied(o pool.Order) bool {
	return !slices.ContainsFunc(c.hold.listeners(), func(l *listeners.Listener) bool { return !l.Emptied(o.ID) })
}

// Others says whether another worker serves at the same sockets: launch.Sockets.
func (c *capturing) Others(o pool.Order) bool {
	return slices.ContainsFunc(c.hold.listeners(), func(l *listeners.Listener) bool {
		return l.Seated(o.ID) && l.ServedByOthers(o.ID)
	})
}

// Ports returns the ports of the worker's own sockets: launch.Sockets.
func (c *capturing) Ports(o pool.Order) (all []uint16) {
	for _, l := range c.hold.listeners() {
		if at, err := netip.ParseAddrPort(l.Address); err == nil && l.Seated(o.ID) {
			all = append(all, at.Port())
		}
	}
	return all
}

// Expected says whether the app's program is known to bind by itself: launch.Sockets.
func (c *capturing) Expected() bool { return c.expected || c.hold.bound() }

// First says whether this is the app's first generation: launch.Sockets.
func (c *capturing) First() bool { return c.first }

// listeners returns those of the generation, captured ones included.
func (h *Hold) listeners() []*listeners.Listener {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return slices.Clone(h.held)
}

// socketsFor returns where the workers of a new generation get sockets for what their programs
// bind; nil: their binds are not captured.
func (gs *Generations) socketsFor(app config.App, sockets *Hold) launch.Sockets {
	if app.Capture != config.CaptureAuto {
		return nil
	}
	serving := gs.Serving()
	return &capturing{
		hold: sockets, stopping: gs.o.Stopping, log: gs.o.Log, balance: app.Balance, share: app.CanaryShare,
		expected: serving != nil && serving.sockets.bound(), first: serving == nil,
	}
}
