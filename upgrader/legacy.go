package upgrader

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"relevo/internal/config"
)

// ListenerLegacy is a listener as it passes from one master to the next. Its
// socket is the file named by its ID, see ListenerFile.
type ListenerLegacy struct {
	ID       int             `json:"id"`
	Listen   ListenLegacy    `json:"listen"`
	Address  string          `json:"address"`
	Standing standing        `json:"standing,omitempty"`
	Queue    int             `json:"queue,omitempty"`
	Unix     *UnixFileLegacy `json:"unix,omitempty"`
	Retiring bool            `json:"leaving,omitempty"`
	Lent     bool            `json:"lent,omitempty"`     // the service manager owns the socket
	Diverted bool            `json:"diverted,omitempty"` // a decoy of that master takes its clients
	Siblings bool            `json:"siblings,omitempty"`
	Seats    *seatsLegacy    `json:"seats,omitempty"`

	OfProgram bool   `json:"of_program,omitempty"`
	Borrower  string `json:"borrower,omitempty"`
	Shared    bool   `json:"shared,omitempty"`
}

// ListenLegacy is config.Listen in a document.
type ListenLegacy struct {
	Name     string         `json:"name"`
	Network  config.Network `json:"network"`
	Address  string         `json:"address"`
	Mode     fs.FileMode    `json:"mode,omitempty"`
	Backlog  int            `json:"backlog,omitempty"`
	Blocking bool           `json:"blocking,omitempty"`
	Balance  config.Balance `json:"balance,omitempty"`
}

// UnixFileLegacy is the file of a Unix socket.
type UnixFileLegacy struct {
	Path   string `json:"path"`
	Dev    uint64 `json:"dev"`
	Ino    uint64 `json:"ino"`
	Hidden bool   `json:"hidden,omitempty"`

	Mode fs.FileMode `json:"mode,omitempty"`

	Held    string `json:"held,omitempty"`
	Guarded bool   `json:"guarded,omitempty"`
	User    *User  `json:"user,omitempty"`
}

const listenerPrefix = "listener."

// ListenerFile is the name of a listener's socket among the files of a legacy.
func ListenerFile(id int) string { return fmt.Sprintf("%s%d", listenerPrefix, id) }

// IsListenerFile says whether a name is one of ListenerFile.
func IsListenerFile(name string) bool { return strings.HasPrefix(name, listenerPrefix) }

// LastListenerFile is the highest ID among names, 0 where none is one of ListenerFile.
func LastListenerFile(names []string) (last int) {
	for _, name := range names {
		if id, err := strconv.Atoi(strings.TrimPrefix(name, listenerPrefix)); err == nil && IsListenerFile(name) {
			last = max(last, id)
		}
	}
	return last
}

func (l *Listener) fileName() string { return ListenerFile(l.id) }

// ID is the listener's number in a legacy.
func (l *Listener) ID() int { return l.id }

// Legacy returns what TakeOver needs to make the listeners again, with their sockets by name.
// The files belong to u.
func (u *Upgrader) Legacy() (all []ListenerLegacy, files map[string]*os.File) {
	u.mu.Lock()
	defer u.mu.Unlock()
	files = map[string]*os.File{}
	for i, l := range u.all() {
		all = append(all, l.legacy(i >= len(u.listeners)))
		files[l.fileName()] = l.file
		all[i].Seats = l.seats.legacy(l.id, files)
	}
	return all, files
}

func (l *Listener) legacy(retiring bool) ListenerLegacy {
	out := ListenerLegacy{
		ID: l.id, Listen: ListenLegacy(l.Listen), Address: l.Address, Standing: l.standing, Queue: l.queue,
		Retiring: retiring, Lent: l.lent,
		Diverted: l.diverted, Siblings: l.siblings, OfProgram: l.ofProgram, Borrower: l.borrower, Shared: l.shared,
	}
	if s := l.socket; s != nil {
		out.Unix = &UnixFileLegacy{s.path, s.dev, s.ino, s.hidden, s.mode, s.held, s.guarded, s.user}
	}
	return out
}

// Find returns the listener of an ID, nil if there is none.
func (u *Upgrader) Find(id int) *Listener {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range u.all() {
		if l.id == id {
			return l
		}
	}
	return nil
}

// Source has the files of a legacy; each can be taken once.
type Source interface {
	// Names are those of the files that were not taken yet.
	Names() []string
	// Socket takes a file and keeps it out of the runtime's poller: Unpolled.
	Socket(name string) (*os.File, error)
}

// TakeOver returns an Upgrader with the listeners of the previous master. It takes their
// sockets and changes none of them.
func TakeOver(o Options, all []ListenerLegacy, from Source) (*Upgrader, error) {
	u := New(o)
	for _, known := range all {
		file, err := from.Socket(ListenerFile(known.ID))
		if err != nil {
			return nil, fmt.Errorf("cannot take over listener %s (%s): %w", known.Listen.Name, known.Address, err)
		}
		l := &Listener{
			Listen: config.Listen(known.Listen), Address: known.Address, file: file, id: known.ID, standing: known.Standing,
			queue: known.Queue, lent: known.Lent,
			diverted: known.Diverted, siblings: known.Siblings, ofProgram: known.OfProgram, borrower: known.Borrower,
			shared: known.Shared,
		}
		if s := known.Unix; s != nil {
			l.socket = &unixSocket{path: s.Path, dev: s.Dev, ino: s.Ino, hidden: s.Hidden, mode: s.Mode, user: s.User,
				heldPath: heldPath{s.Held, s.Guarded}}
		}
		if u.lastID = max(u.lastID, l.id); known.Retiring {
			u.retiring = append(u.retiring, l)
		} else {
			u.listeners = append(u.listeners, l)
		}
		u.keepFile(l)
		if err := u.takeOverSeats(l, known.Seats, from); err != nil {
			return nil, fmt.Errorf("cannot take over listener %s (%s): %w", known.Listen.Name, known.Address, err)
		}
	}
	return u, nil
}

// Begin starts to look after the listeners that were taken over. It makes the decoys again,
// which were closed with their master, and replaces a Unix socket whose file was removed.
// The order of workers' own sockets is read from the kernel, because the legacy of a master
// that was killed may be too old.
func (u *Upgrader) Begin() {
	u.mu.Lock()
	for _, l := range u.all() {
		if l.diverted {
			u.block(l)
		}
		if l.seats.used() {
			u.mendSeats(l, true)
		}
	}
	for _, l := range u.listeners {
		u.replaceFile(l)
		u.guardPath(l)
	}
	end, replaced := u.watch(), u.takeFound()
	u.mu.Unlock()
	end()
	u.tell(replaced)
}
