package upgrader

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"

	"relevo/internal/config"
)

// Upgrader owns the listeners of a master. Its methods are safe for concurrent
// use.
type Upgrader struct {
	log    *slog.Logger
	healed func(Healed)
	looker looker

	mu         sync.Mutex
	listeners  []*Listener // in the order of the configuration
	found      []Healed    // that tell is still to be called with
	retiring   []*Listener // that the configuration has no more, until they are closed
	hangups    *hangups    // nil while there is no listener
	paths      *pathWatch  // of Unix sockets that programs remove; nil: not needed yet
	lastID     int
	turnedAway turnedAway
	keeper     Keeper   // nil: none
	lent       []Socket // of the service manager's, until the next Apply
	siblings   bool
	// admitsTold: the log says that retiring listeners are not closed to clients.
	admitsTold bool
}

// Keeper keeps what a later master needs if this one dies without a word: each
// socket as it comes to be. Its methods must not call the Upgrader.
type Keeper interface {
	Keep(name string, file *os.File)
	Drop(name string)
}

// Options are what an Upgrader may be made with. The zero value works.
type Options struct {
	Log    *slog.Logger // default: none
	Keeper Keeper       // default: none
	// LastID is the highest ID of a listener that the Keeper may still have of another
	// master: a name of ListenerFile is never that of two sockets. Default: 0.
	LastID int
	// Siblings lets Seat open sockets beside those that are opened from now on.
	Siblings bool
}

// New returns an Upgrader without listeners.
func New(o Options) *Upgrader {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Upgrader{log: o.Log, keeper: o.Keeper, lastID: o.LastID, siblings: o.Siblings,
		looker: looker{stop: make(chan struct{})}}
}

// OnHealed has tell called, from any goroutine, for each damage to a listener. It
// is called before Listen, if at all, and tell must not call the Upgrader.
func (u *Upgrader) OnHealed(tell func(Healed)) { u.healed = tell }

// Listen opens all sockets or none.
func (u *Upgrader) Listen(wanted []config.Listen) ([]*Listener, error) {
	err := u.Apply(wanted)
	return u.Listeners(), err
}

// keep names the socket for later masters and makes it ready for workers. It holds
// u.mu.
func (u *Upgrader) keep(l *Listener) error {
	if err := l.Reassert(); err != nil {
		return err
	}
	u.lastID++
	l.id = u.lastID
	u.keepFile(l)
	return nil
}

func (u *Upgrader) keepFile(l *Listener) {
	if u.keeper != nil {
		u.keeper.Keep(l.fileName(), l.file)
	}
}

func (u *Upgrader) dropFile(l *Listener) {
	if u.keeper != nil {
		u.keeper.Drop(l.fileName())
	}
}

// Listeners returns the sockets, in the order of the configuration.
func (u *Upgrader) Listeners() []*Listener {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.listeners)
}

// all holds u.mu.
func (u *Upgrader) all() []*Listener { return slices.Concat(u.listeners, u.retiring) }

// watch begins or ends the watch for hangups. It holds u.mu; end is to be called
// without it.
func (u *Upgrader) watch() (end func()) {
	if len(u.all()) == 0 {
		ended, paths := u.hangups, u.paths
		u.hangups, u.paths = nil, nil
		return func() { ended.close(); paths.close() }
	}
	if u.hangups == nil {
		var err error
		if u.hangups, err = watchHangups(func() { u.look(true) }); err != nil {
			u.log.Warn("a listener that a worker shuts down is mended late", "err", err)
		}
		for _, l := range u.all() {
			u.hangups.add(l)
			for _, seat := range l.seats.files() {
				u.hangups.addSeat(seat)
			}
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
		u.dropFile(l)
		failed = errors.Join(failed, l.close())
	}
	u.listeners, u.retiring = nil, nil
	end := u.watch()
	u.mu.Unlock()
	end()
	return failed
}
