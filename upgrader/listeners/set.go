package listeners

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// Set owns the listeners of a master. Its methods are safe for concurrent
// use.
type Set struct {
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
// socket as it comes to be. Its methods must not call the Set.
type Keeper interface {
	Keep(name string, file *os.File)
	Drop(name string)
}

// Options are what a Set may be made with. The zero value works.
type Options struct {
	Log    *slog.Logger // default: none
	Keeper Keeper       // default: none
	// LastID is the highest ID of a listener that the Keeper may still have of another
	// master: a name of FileName is never that of two sockets. Default: 0.
	LastID int
	// Siblings lets Seat open sockets beside those that are opened from now on.
	Siblings bool
}

// New returns a Set without listeners.
func New(o Options) *Set {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Set{log: o.Log, keeper: o.Keeper, lastID: o.LastID, siblings: o.Siblings,
		looker: looker{stop: make(chan struct{})}}
}

// OnHealed sets a function that is called, from any goroutine, for each damage to a listener. Call
// it before Apply, if at all; tell must not call the Set.
func (s *Set) OnHealed(tell func(Healed)) { s.healed = tell }

// keep names the socket for later masters and makes it ready for workers. It holds
// s.mu.
func (s *Set) keep(l *Listener) error {
	if err := l.Reassert(); err != nil {
		return err
	}
	s.lastID++
	l.id = s.lastID
	s.keepFile(l)
	return nil
}

func (s *Set) keepFile(l *Listener) {
	if s.keeper != nil {
		s.keeper.Keep(l.fileName(), l.file)
	}
}

func (s *Set) dropFile(l *Listener) {
	if s.keeper != nil {
		s.keeper.Drop(l.fileName())
	}
}

// Listeners returns the sockets, in the order of the configuration.
func (s *Set) Listeners() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.listeners)
}

// all holds s.mu.
func (s *Set) all() []*Listener { return slices.Concat(s.listeners, s.retiring) }

// held are all listeners, also those that only an older generation uses.
func (s *Set) held() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all())
}

// watch begins or ends the watch for hangups. It holds s.mu; end is to be called
// without it.
func (s *Set) watch() (end func()) {
	if len(s.all()) == 0 {
		ended, paths := s.hangups, s.paths
		s.hangups, s.paths = nil, nil
		return func() { ended.close(); paths.close() }
	}
	if s.hangups == nil {
		var err error
		if s.hangups, err = watchHangups(func() { s.look(true) }); err != nil {
			s.log.Warn("a listener that a worker shuts down will be mended late", "err", err)
		}
		for _, l := range s.all() {
			s.hangups.add(l)
			for _, seat := range l.seats.files() {
				s.hangups.addSeat(seat)
			}
		}
	}
	return func() {}
}

// Close closes the listeners for good and removes the Unix sockets that are
// still this master's.
func (s *Set) Close() error {
	s.looker.close()
	s.mu.Lock()
	var failed error
	for _, l := range s.all() {
		s.dropFile(l)
		failed = errors.Join(failed, l.close())
	}
	s.listeners, s.retiring = nil, nil
	end := s.watch()
	s.mu.Unlock()
	end()
	return failed
}
