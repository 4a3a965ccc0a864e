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
	"relevo/upgrader/listeners"
)

// Sockets knows which generation uses which socket. A socket that the configuration does not have
// any more stays open until the last generation that could be rolled back to is closed.
type Sockets struct {
	Set    *listeners.Set
	rivals rivals
	once   announce.Once // warns once about each thing that programs bind

	mu      sync.Mutex
	holders map[*listeners.Listener]int
	serving []config.Listen // what the set is to keep however a roll ends
}

// NewSockets returns Sockets of which none is in use. Places is the directory that the app shares
// with others. Wanted is what to keep however a roll ends.
func NewSockets(set *listeners.Set, places config.Places, app string, wanted []config.Listen) *Sockets {
	return &Sockets{Set: set, rivals: rivals{places, app}, holders: map[*listeners.Listener]int{}, serving: wanted}
}

// Wanted are the listeners that are kept however a roll ends.
func (l *Sockets) Wanted() []config.Listen {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.serving)
}

// Hold is one generation's sockets, in the order of its configuration.
type Hold struct {
	all     *Sockets
	held    []*listeners.Listener
	sockets []listeners.Inheritable // as they were when the generation was made
	once    sync.Once

	binding sync.RWMutex // held while a bind is answered

	// configured is how many of held the configuration has. The others, which follow, were
	// captured.
	configured int
}

// Acquire takes the sockets of a configuration and opens those that are not open yet: all or none.
func (l *Sockets) Acquire(wanted []config.Listen) (*Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.Set.Apply(wanted); err != nil {
		return nil, noRoom(wanted, l.rivals.name(err))
	}
	h := &Hold{all: l, held: l.Set.Listeners()}
	for _, socket := range h.held {
		l.holders[socket]++
		h.sockets = append(h.sockets, l.Set.Inheritable(socket))
	}
	h.configured = len(h.held)
	return h, nil
}

// noRoom says which resource was used up when the socket file of a listener could not be made.
func noRoom(wanted []config.Listen, err error) error {
	for _, l := range wanted {
		if l.Network.IsUnix() {
			return diskspace.Detail(filepath.Dir(l.Address), err)
		}
	}
	return err
}

// Close closes the sockets that no other generation holds.
func (h *Hold) Close() (err error) {
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

// Revert gives the sockets the names, modes and queues of the serving generation again, after
// another one was made and dropped.
func (l *Sockets) Revert() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Set.Apply(l.serving)
}

// discard closes a socket whose only generation never served.
func (l *Sockets) discard(socket *listeners.Listener) error {
	if slices.Contains(l.Set.Listeners(), socket) {
		if err := l.Set.Apply(l.serving); err != nil {
			return err
		}
	}
	if slices.Contains(l.Set.Listeners(), socket) {
		return nil // the master needs one listener, and closes it at its end
	}
	return l.Set.CloseListener(socket)
}

// Listen opens the sockets of h again if needed: the end of the previous roll may have parked those
// that only h has.
func (h *Hold) Listen() (err error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for _, socket := range h.held {
		err = errors.Join(err, h.all.Set.Restore(socket))
	}
	return err
}

// Open lets clients in on the sockets of h. The sockets of other generations get no new clients,
// but those in their queues can still be accepted.
func (h *Hold) Open() error { return h.align(h.all.Set.Retire) }

// Serve makes the sockets of h those of the app, as its configuration says, and refuses clients on
// all others.
func (h *Hold) Serve(wanted []config.Listen) error {
	h.all.mu.Lock()
	wanted = append(slices.Clone(wanted), h.captured()...)
	h.all.serving = wanted
	err := h.all.Set.Apply(wanted)
	h.all.mu.Unlock()
	return errors.Join(err, h.align(h.all.Set.Park))
}

func (h *Hold) align(close func(*listeners.Listener) error) (err error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	ours := map[*listeners.Listener]bool{}
	for _, socket := range h.held {
		ours[socket] = true
		err = errors.Join(err, h.all.Set.Restore(socket))
	}
	for socket := range h.all.holders {
		if !ours[socket] {
			err = errors.Join(err, close(socket))
		}
	}
	return err
}

// forWorkers returns the sockets for launch.
func (h *Hold) forWorkers() (out []launch.Listener) {
	for _, l := range h.sockets[:h.configured] {
		out = append(out, launch.Listener(l))
	}
	return out
}

// captured returns the sockets that programs have bound. The caller holds all.mu.
func (h *Hold) captured() (out []config.Listen) {
	for _, l := range h.held[h.configured:] {
		out = append(out, l.Listen)
	}
	return out
}

// ForPeople returns the sockets for the control socket.
func (h *Hold) ForPeople() []control.Listener {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	out := []control.Listener{}
	for i, l := range h.sockets {
		queue := control.Queue(h.all.Set.Queue(h.held[i]))
		out = append(out, control.Listener{
			Name: l.Name, Address: l.Address, Captured: i >= h.configured, Balance: h.all.balanceOf(h.held[i]),
			Queue: &queue,
		})
	}
	return out
}
