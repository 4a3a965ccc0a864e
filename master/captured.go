package master

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"

	"relevo/config"
	"relevo/internal/capture"
	"relevo/launch"
	"relevo/pool"
	"relevo/upgrader"
	seats "relevo/upgrader/listeners"
)

// maxCaptured bounds the addresses that the programs of one generation get sockets
// for: one that binds without end harms nobody but itself.
const maxCaptured = 64

// maxTold bounds the warnings of one generation about binds.
const maxTold = 10

// capturing gives the workers of a generation sockets for what their programs bind:
// launch.Sockets.
type capturing struct {
	hold     *hold
	stopping func() bool // the app ends: no worker follows the one that leaves
	log      *slog.Logger
	told     atomic.Int32 // binds that were let through with a warning
	balance  config.Balance
	expected bool // the generation that served when this one was made had captured listeners
}

var _ launch.Sockets = (*capturing)(nil)

// Bind answers a bind: launch.Sockets.
func (c *capturing) Bind(o pool.Order, b capture.Bind) launch.Grant {
	through := launch.Grant{Answer: capture.LetThrough()}
	if b.Socket.Type != syscall.SOCK_STREAM || b.Address.Family == syscall.AF_UNIX {
		return through
	}
	l, err := c.hold.find(b)
	if err != nil {
		if c.told.Add(1) <= maxTold {
			c.log.Warn("a program's bind is its own affair", "worker", o.ID, "address", b.Address, "err", err)
		}
		return through
	}
	if c.balance == config.BalanceShared {
		return shared(l)
	}
	file, err := c.hold.all.upgrader.Seat(l, o.ID, o.Slot, wishes(b.Socket))
	if err != nil {
		if !errors.Is(err, seats.ErrUnsupported) && !errors.Is(err, seats.ErrNotTCP) && !errors.Is(err, seats.ErrNoReusePort) {
			c.log.Error("a worker shares the common socket", "worker", o.ID, "address", l.Address, "err", err)
		}
		return shared(l)
	}
	return launch.Grant{Answer: capture.Answer{FD: int(file.Fd())}, Address: l.Address, Own: true}
}

// wishes are what a program's own socket was like, for the one that takes its place.
func wishes(s capture.Socket) seats.SocketOptions {
	o := seats.SocketOptions{Nonblock: s.NonBlocking}
	for _, option := range s.Options {
		value := binary.NativeEndian.AppendUint32(nil, uint32(option.Value))
		o.Set = append(o.Set, seats.Option{Level: option.Level, Name: option.Name, Value: value})
	}
	return o
}

func shared(l *upgrader.Listener) launch.Grant {
	return launch.Grant{Answer: capture.Answer{FD: int(l.File().Fd())}, Address: l.Address, File: l.File()}
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

// Serve leads clients to the worker: launch.Sockets.
func (c *capturing) Serve(o pool.Order) {
	for i, l := range c.hold.listeners() {
		c.report(l.Serve(o.ID, i < c.hold.configured))
	}
}

// Leave leads no new client to it: launch.Sockets.
func (c *capturing) Leave(o pool.Order) {
	for _, l := range c.hold.listeners() {
		if c.stopping() {
			c.report(l.Divert())
		}
		c.report(l.Leave(o.ID))
	}
}

// Gone forgets it: launch.Sockets.
func (c *capturing) Gone(o pool.Order) {
	for _, l := range c.hold.listeners() {
		c.report(l.Gone(o.ID))
	}
}

func (c *capturing) report(err error) {
	if err != nil {
		c.log.Error("clients cannot be led", "err", err)
	}
}

// Emptied says whether no client waits for the worker: launch.Sockets.
func (c *capturing) Emptied(o pool.Order) bool {
	return !slices.ContainsFunc(c.hold.listeners(), func(l *upgrader.Listener) bool { return !l.Emptied(o.ID) })
}

// Others says whether another worker serves where this one did: launch.Sockets.
func (c *capturing) Others(o pool.Order) bool {
	return slices.ContainsFunc(c.hold.listeners(), func(l *upgrader.Listener) bool { return l.Seated(o.ID) && l.ServedByOthers(o.ID) })
}

// Ports are those of the worker's own sockets: launch.Sockets.
func (c *capturing) Ports(o pool.Order) (all []uint16) {
	for _, l := range c.hold.listeners() {
		if at, err := netip.ParseAddrPort(l.Address); err == nil && l.Seated(o.ID) {
			all = append(all, at.Port())
		}
	}
	return all
}

// Expected says whether the app is known to bind for itself: launch.Sockets.
func (c *capturing) Expected() bool { return c.expected || c.hold.bound() }

// bound says whether programs have bound addresses that the configuration does not
// name.
func (h *hold) bound() bool {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return len(h.held) > h.configured
}

// listeners are those of the generation, the captured ones included.
func (h *hold) listeners() []*upgrader.Listener {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return slices.Clone(h.held)
}

// find returns the listener for a bind: one of the configuration on that port, one
// that a sibling has bound, or a new one.
func (h *hold) find(b capture.Bind) (*upgrader.Listener, error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	wanted := listenOf(b)
	for i, l := range h.held {
		if l.Network == wanted.Network && l.Listen.Address == wanted.Address || i < h.configured && meets(l, b) {
			return l, nil
		}
	}
	if port := b.Address.IP.Port(); !capture.MayBind(b.PID, port) {
		return nil, fmt.Errorf("cannot open port %d for a program whose user may not: with -l :%d relevo opens it", port, port)
	}
	if len(h.held)-h.configured >= maxCaptured {
		return nil, fmt.Errorf("cannot hold more than %d addresses that programs of one generation bind", maxCaptured)
	}
	l, err := h.all.upgrader.Add(wanted)
	if err != nil {
		return nil, err
	}
	h.all.holders[l]++
	h.held, h.sockets = append(h.held, l), append(h.sockets, h.all.upgrader.Inheritable(l))
	h.all.serving = slices.Concat(h.all.serving, []config.Listen{l.Listen})
	return l, nil
}

// meets says whether a bind is of the port of a listener of the configuration: its
// address counts, however the program spells it.
func meets(l *upgrader.Listener, b capture.Bind) bool {
	if l.Network == config.Unix || l.Datagram() {
		return false
	}
	at, err := netip.ParseAddrPort(l.Address)
	return err == nil && at.Port() == b.Address.IP.Port()
}

// listenOf is what a program asks for, as a configuration would have it.
func listenOf(b capture.Bind) config.Listen {
	l := config.Listen{Name: "port-" + strconv.Itoa(int(b.Address.IP.Port())), Network: config.TCP, Address: b.Address.IP.String()}
	switch {
	case b.Address.Family == syscall.AF_INET:
		l.Network = config.TCP4
	case b.Socket.V6Only:
		l.Network = config.TCP6
	}
	return l
}

// socketsFor is where the workers of a new generation get sockets from for what their
// programs bind; nil: they are on their own.
func (m *Master) socketsFor(app config.App, sockets *hold) launch.Sockets {
	if app.Capture != config.CaptureAuto {
		return nil
	}
	serving := m.serving()
	return &capturing{hold: sockets, stopping: m.stopping.Load, log: m.log, balance: app.Balance, expected: serving != nil && serving.sockets.bound()}
}
