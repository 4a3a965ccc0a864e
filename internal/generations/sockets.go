package generations

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/diskspace"
	"relevo/internal/launch"
	"relevo/upgrader"
)

// Sockets knows which generation uses which socket. A socket that the
// configuration no longer names stays until the last generation that could still
// be rolled back to is gone.
type Sockets struct {
	Upgrader *upgrader.Upgrader
	rivals   rivals
	once     announce.Once // of warnings about what programs bind

	mu      sync.Mutex
	holders map[*upgrader.Listener]int
	serving []config.Listen // what the upgrader is to keep whatever becomes of a roll
}

// NewSockets has none of the upgrader's sockets in use. The app is one of those that have
// their places in the same directory. Wanted is what is to be kept whatever becomes of a roll.
func NewSockets(up *upgrader.Upgrader, places config.Places, app string, wanted []config.Listen) *Sockets {
	return &Sockets{Upgrader: up, rivals: rivals{places, app}, holders: map[*upgrader.Listener]int{}, serving: wanted}
}

// Wanted are the listeners that are kept whatever becomes of a roll.
func (l *Sockets) Wanted() []config.Listen {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.serving)
}

// Hold is one generation's sockets, in the order of its configuration.
type Hold struct {
	all     *Sockets
	held    []*upgrader.Listener
	sockets []upgrader.Inheritable // as they were when the generation was made
	once    sync.Once

	binding sync.RWMutex // held while a bind is answered

	// configured is how many of held are of the configuration. The others, which follow,
	// were captured: the programs of the generation have bound them.
	configured int
}

// Acquire takes the sockets of a configuration, opening those that are not open
// yet: all or none.
func (l *Sockets) Acquire(wanted []config.Listen) (*Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.Upgrader.Set(wanted); err != nil {
		return nil, noRoom(wanted, l.rivals.name(err))
	}
	h := &Hold{all: l, held: l.Upgrader.Listeners()}
	for _, socket := range h.held {
		l.holders[socket]++
		h.sockets = append(h.sockets, l.Upgrader.Inheritable(socket))
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

// Release closes the sockets that nobody else holds.
func (h *Hold) Release() (err error) {
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

// Revert gives the sockets back the names, modes and queues of what serves, where
// a generation was made that is not rolled to.
func (l *Sockets) Revert() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.Upgrader.Set(l.serving)
	return err
}

// discard closes a socket that may be left of a generation that never served.
func (l *Sockets) discard(socket *upgrader.Listener) error {
	if slices.Contains(l.Upgrader.Listeners(), socket) {
		if _, err := l.Upgrader.Set(l.serving); err != nil {
			return err
		}
	}
	if slices.Contains(l.Upgrader.Listeners(), socket) {
		return nil // it is all that there is: the master closes it
	}
	return l.Upgrader.CloseListener(socket)
}

// Listen sees to it that the sockets of h can be listened on. The end of the roll
// before may have closed those that only h has.
func (h *Hold) Listen() (err error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for _, socket := range h.held {
		err = errors.Join(err, h.all.Upgrader.Restore(socket))
	}
	return err
}

// Open lets clients in on the sockets of h. Those of other generations get no
// new client any more, but what waits in their queues can still be accepted.
func (h *Hold) Open() error { return h.align(h.all.Upgrader.Retire) }

// Serve makes the sockets of h those of the app, as its configuration wants them,
// and refuses clients on all others.
func (h *Hold) Serve(wanted []config.Listen) error {
	h.all.mu.Lock()
	wanted = append(slices.Clone(wanted), h.captured()...)
	h.all.serving = wanted
	_, err := h.all.Upgrader.Set(wanted)
	h.all.mu.Unlock()
	return errors.Join(err, h.align(h.all.Upgrader.Park))
}

func (h *Hold) align(close func(*upgrader.Listener) error) (err error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	ours := map[*upgrader.Listener]bool{}
	for _, socket := range h.held {
		ours[socket] = true
		err = errors.Join(err, h.all.Upgrader.Restore(socket))
	}
	for socket := range h.all.holders {
		if !ours[socket] {
			err = errors.Join(err, close(socket))
		}
	}
	return err
}

// forWorkers are the sockets as launch passes them on.
func (h *Hold) forWorkers() (out []launch.Listener) {
	for _, l := range h.sockets[:h.configured] {
		out = append(out, launch.Listener(l))
	}
	return out
}

// captured are the sockets that programs have bound. It needs all.mu.
func (h *Hold) captured() (out []config.Listen) {
	for _, l := range h.held[h.configured:] {
		out = append(out, l.Listen)
	}
	return out
}

// ForPeople are the sockets as the control socket tells them.
func (h *Hold) ForPeople() []control.Listener {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	out := []control.Listener{}
	for i, l := range h.sockets {
		queue := control.Queue(h.all.Upgrader.Queue(h.held[i]))
		out = append(out, control.Listener{
			Name: l.Name, Address: l.Address, Captured: i >= h.configured, Balance: h.all.balanceOf(h.held[i]),
			Queue: &queue,
		})
	}
	return out
}
