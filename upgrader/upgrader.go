package upgrader

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/cloudflare/tableflip"

	"relevo/config"
)

// Upgrader owns the listeners of a master. Its methods are safe for concurrent
// use.
type Upgrader struct {
	carrier Carrier
	log     *slog.Logger
	healed  func(Healed)
	looker  looker
	stop    func() // ends the carrier

	mu        sync.Mutex
	listeners []*Listener // in the order of the configuration
	leaving   []*Listener // that the configuration has no more, until they are closed
	hangups   *hangups    // nil while there is no listener
	lent      []Socket    // of the service manager's, until the next Set
}

// New returns the Upgrader of this process. There can be one only, for tableflip
// keeps one table a process.
func New(log *slog.Logger) (*Upgrader, error) {
	flip, err := tableflip.New(tableflip.Options{})
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the succession: %w", err)
	}
	u := NewWith(flipTable{flip}, log)
	u.stop = flip.Stop
	return u, nil
}

// NewWith returns an Upgrader on any carrier.
func NewWith(c Carrier, log *slog.Logger) *Upgrader {
	return &Upgrader{carrier: c, log: log, stop: func() {}, looker: looker{stop: make(chan struct{})}}
}

// OnHealed has tell called, from any goroutine, for each damage to a listener. It
// is called before Listen, if at all, and tell must not call the Upgrader.
func (u *Upgrader) OnHealed(tell func(Healed)) { u.healed = tell }

// Listen opens all sockets or none.
func (u *Upgrader) Listen(wanted []config.Listen) ([]*Listener, error) {
	_, _, _, err := u.Set(wanted)
	return u.Listeners(), err
}

// keep gives the socket to the carrier and makes it ready for workers.
func (u *Upgrader) keep(l *Listener) error {
	// While the socket still blocks: a copy made now is not polled either.
	l.carried = u.vacantName(l.Listen)
	if err := u.carrier.AddFile(l.carried, l.file); err != nil {
		return fmt.Errorf("cannot keep listener %s for a succession: %w", l.Name, err)
	}
	return l.Reassert()
}

// Listeners returns the sockets, in the order of the configuration.
func (u *Upgrader) Listeners() []*Listener {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.listeners)
}

// all holds u.mu.
func (u *Upgrader) all() []*Listener { return slices.Concat(u.listeners, u.leaving) }

// watch begins or ends the watch for hangups. It holds u.mu; end is to be called
// without it.
func (u *Upgrader) watch() (end func()) {
	if len(u.all()) == 0 {
		ended := u.hangups
		u.hangups = nil
		return ended.close
	}
	if u.hangups == nil {
		var err error
		if u.hangups, err = watchHangups(func() { u.Inspect() }); err != nil {
			u.log.Warn("a listener that a worker shuts down is mended late", "err", err)
		}
		for _, l := range u.all() {
			u.hangups.add(l)
		}
	}
	return func() {}
}

// Close closes the listeners for good and removes the Unix sockets that are
// still this master's.
func (u *Upgrader) Close() error {
	u.looker.close()
	u.mu.Lock()
	var failed error
	for _, l := range u.all() {
		failed = errors.Join(failed, l.close())
	}
	u.listeners, u.leaving = nil, nil
	end := u.watch()
	u.mu.Unlock()
	end()
	u.stop()
	return failed
}
