package master

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/diskspace"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/upgrader"
)

// listeners knows which generation uses which socket. A socket that the
// configuration no longer names stays until the last generation that could still
// be rolled back to is gone.
type listeners struct {
	upgrader *upgrader.Upgrader
	rivals   rivals
	once     announce.Once // of warnings about what programs bind

	mu      sync.Mutex
	holders map[*upgrader.Listener]int
	serving []config.Listen // what the upgrader is to keep whatever becomes of a roll
}

// hold is one generation's sockets, in the order of its configuration.
type hold struct {
	all     *listeners
	held    []*upgrader.Listener
	sockets []upgrader.Inheritable // as they were when the generation was made
	once    sync.Once

	// configured is how many of held are of the configuration. The others, which follow,
	// were captured: the programs of the generation have bound them.
	configured int
}

// acquire takes the sockets of a configuration, opening those that are not open
// yet: all or none.
func (l *listeners) acquire(wanted []config.Listen) (*hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.upgrader.Set(wanted); err != nil {
		return nil, noRoom(wanted, l.rivals.name(err))
	}
	h := &hold{all: l, held: l.upgrader.Listeners()}
	for _, socket := range h.held {
		l.holders[socket]++
		h.sockets = append(h.sockets, l.upgrader.Inheritable(socket))
	}
	h.configured = len(h.held)
	return h, nil
}

// noRoom says what is used up where the socket file of a listener could not be made.
func noRoom(wanted []config.Listen, err error) error {
	for _, l := range wanted {
		if l.Network.IsUnix() {
			return diskspace.Detail(filepath.Dir(l.Address), err)
		}
	}
	return err
}

// release closes the sockets that nobody else holds.
func (h *hold) release() (err error) {
	h.once.Do(func() {
		h.all.mu.Lock()
		defer h.all.mu.Unlock()
		for _, socket := range h.held {
			if h.all.holders[socket]--; h.all.holders[socket] == 0 {
				delete(h.all.holders, socket)
				err = errors.Join(err, h.all.discard(socket))
			}
		}
	})
	return err
}

// revert gives the sockets back the names, modes and queues of what serves, where
// a generation was made that is not rolled to.
func (l *listeners) revert() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.upgrader.Set(l.serving)
	return err
}

// discard closes a socket that may be left of a generation that never served.
func (l *listeners) discard(socket *upgrader.Listener) error {
	if slices.Contains(l.upgrader.Listeners(), socket) {
		if _, err := l.upgrader.Set(l.serving); err != nil {
			return err
		}
	}
	if slices.Contains(l.upgrader.Listeners(), socket) {
		return nil // it is all that there is: the master closes it
	}
	return l.upgrader.CloseListener(socket)
}

// listen sees to it that the sockets of h can be listened on. The end of the roll
// before may have closed those that only h has.
func (h *hold) listen() (err error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for _, socket := range h.held {
		err = errors.Join(err, h.all.upgrader.Restore(socket))
	}
	return err
}

// open lets clients in on the sockets of h. Those of other generations get no
// new client any more, but what waits in their queues can still be accepted.
func (h *hold) open() error { return h.align(h.all.upgrader.Retire) }

// serve makes the sockets of h those of the app, as its configuration wants them,
// and refuses clients on all others.
func (h *hold) serve(wanted []config.Listen) error {
	h.all.mu.Lock()
	wanted = append(slices.Clone(wanted), h.captured()...)
	h.all.serving = wanted
	_, err := h.all.upgrader.Set(wanted)
	h.all.mu.Unlock()
	return errors.Join(err, h.align(h.all.upgrader.Park))
}

func (h *hold) align(close func(*upgrader.Listener) error) (err error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	ours := map[*upgrader.Listener]bool{}
	for _, socket := range h.held {
		ours[socket] = true
		err = errors.Join(err, h.all.upgrader.Restore(socket))
	}
	for socket := range h.all.holders {
		if !ours[socket] {
			err = errors.Join(err, close(socket))
		}
	}
	return err
}

// forWorkers are the sockets as launch passes them on.
func (h *hold) forWorkers() (out []launch.Listener) {
	for _, l := range h.sockets[:h.configured] {
		out = append(out, launch.Listener(l))
	}
	return out
}

// captured are the sockets that programs have bound. It needs all.mu.
func (h *hold) captured() (out []config.Listen) {
	for _, l := range h.held[h.configured:] {
		out = append(out, l.Listen)
	}
	return out
}

// forPeople are the sockets as the control socket tells them.
func (h *hold) forPeople() []control.Listener {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	out := []control.Listener{}
	for i, l := range h.sockets {
		out = append(out, control.Listener{
			Name: l.Name, Address: l.Address, Captured: i >= h.configured, Balance: h.all.balanceOf(h.held[i]),
		})
	}
	return out
}

// generation is a release together with the sockets that its workers inherit and
// the configuration that it was made from: pool.Release.
type generation struct {
	*launch.Release
	master      *Master
	key         int // unique in the life of the app
	app         config.App
	sockets     *hold
	fingerprint string // of the command
	capturing   *capturing
	trial       trial          // asked for with its roll
	backFrom    decide.Release // what somebody rolled back from to this one
}

// Close lets go of bytes and sockets.
func (g *generation) Close() error {
	return errors.Join(g.Release.Close(), g.sockets.release())
}

var _ pool.Release = (*generation)(nil)
