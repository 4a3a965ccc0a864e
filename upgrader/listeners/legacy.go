package listeners

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"relevo/internal/config"
)

// Legacy is a listener as it passes from one master to the next. Its
// socket is the file named by its ID, see FileName.
type Legacy struct {
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

// FileName is the name of a listener's socket among the files of a legacy.
func FileName(id int) string { return fmt.Sprintf("%s%d", listenerPrefix, id) }

// IsFileName says whether a name is one of FileName.
func IsFileName(name string) bool { return strings.HasPrefix(name, listenerPrefix) }

// LastID is the highest ID among names, 0 where none is one of FileName.
func LastID(names []string) (last int) {
	for _, name := range names {
		if id, err := strconv.Atoi(strings.TrimPrefix(name, listenerPrefix)); err == nil && IsFileName(name) {
			last = max(last, id)
		}
	}
	return last
}

func (l *Listener) fileName() string { return FileName(l.id) }

// ID is the listener's number in a legacy.
func (l *Listener) ID() int { return l.id }

// Legacy returns what TakeOver needs to make the listeners again, with their sockets by name.
// The files belong to s.
func (s *Set) Legacy() (all []Legacy, files map[string]*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files = map[string]*os.File{}
	for i, l := range s.all() {
		all = append(all, l.legacy(i >= len(s.listeners)))
		files[l.fileName()] = l.file
		all[i].Seats = l.seats.legacy(l.id, files)
	}
	return all, files
}

func (l *Listener) legacy(retiring bool) Legacy {
	out := Legacy{
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
func (s *Set) Find(id int) *Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.all() {
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

// TakeOver returns a Set with the listeners of the previous master. It takes their
// sockets and changes none of them.
func TakeOver(o Options, all []Legacy, from Source) (*Set, error) {
	s := New(o)
	for _, known := range all {
		file, err := from.Socket(FileName(known.ID))
		if err != nil {
			return nil, fmt.Errorf("cannot take over listener %s (%s): %w", known.Listen.Name, known.Address, err)
		}
		l := &Listener{
			Listen: config.Listen(known.Listen), Address: known.Address, file: file, id: known.ID, standing: known.Standing,
			queue: known.Queue, lent: known.Lent,
			diverted: known.Diverted, siblings: known.Siblings, ofProgram: known.OfProgram, borrower: known.Borrower,
			shared: known.Shared,
		}
		if at := known.Unix; at != nil {
			l.socket = &unixSocket{path: at.Path, dev: at.Dev, ino: at.Ino, hidden: at.Hidden, mode: at.Mode, user: at.User,
				heldPath: heldPath{at.Held, at.Guarded}}
		}
		if s.lastID = max(s.lastID, l.id); known.Retiring {
			s.retiring = append(s.retiring, l)
		} else {
			s.listeners = append(s.listeners, l)
		}
		s.keepFile(l)
		if err := s.takeOverSeats(l, known.Seats, from); err != nil {
			return nil, fmt.Errorf("cannot take over listener %s (%s): %w", known.Listen.Name, known.Address, err)
		}
	}
	return s, nil
}

// Begin starts to look after the listeners that were taken over. It makes the decoys again,
// which were closed with their master, and replaces a Unix socket whose file was removed.
// The order of workers' own sockets is read from the kernel, because the legacy of a master
// that was killed may be too old.
func (s *Set) Begin() {
	s.mu.Lock()
	for _, l := range s.all() {
		if l.diverted {
			s.block(l)
		}
		if l.seats.used() {
			s.mendSeats(l, true)
		}
	}
	for _, l := range s.listeners {
		s.replaceFile(l)
		s.guardPath(l)
	}
	end, replaced := s.watch(), s.takeFound()
	s.mu.Unlock()
	end()
	s.tell(replaced)
}
