package upgrader

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"relevo/upgrader/listeners"
)

// Legacy is everything that outlives a master: one document, and named files.
type Legacy struct {
	Document []byte
	Files    map[string]*os.File // still owned by the caller
}

// Received is a Legacy as the next master receives it: descriptors, which it takes one by
// one. It may be used by one goroutine at a time.
type Received struct {
	Document []byte
	Owed     []syscall.Signal // signals that the process got before it became this program: InPlace.Owed

	memory *Document // where Document came from
	mu     sync.Mutex
	fds    map[string]int
}

// ErrNotInLegacy is returned for a file that a legacy does not have.
var ErrNotInLegacy = errors.New("upgrader: the legacy has no such file")

// NewReceived returns the legacy in these descriptors, which it takes over. Read reads its
// document.
func NewReceived(fds map[string]int) *Received { return &Received{fds: fds} }

// Read reads the document.
func (in *Received) Read() error {
	fd, err := in.Take(documentFile)
	if err == nil {
		in.memory = openDocument(fd)
		in.Document, err = in.memory.Read()
	}
	if err != nil {
		return fmt.Errorf("cannot read the legacy of the previous master: %w", err)
	}
	return nil
}

func newReceived(fds map[string]int) (*Received, error) {
	in := NewReceived(fds)
	if err := in.Read(); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// Names returns the names of the files that were not taken yet, sorted.
func (in *Received) Names() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Sorted(maps.Keys(in.fds))
}

// Take takes a descriptor.
func (in *Received) Take(name string) (fd int, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	fd, ok := in.fds[name]
	if !ok {
		return -1, fmt.Errorf("%w: %s", ErrNotInLegacy, name)
	}
	delete(in.fds, name)
	return fd, nil
}

// Copy copies a descriptor and leaves it where it is.
func (in *Received) Copy(name string) (fd int, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	fd, ok := in.fds[name]
	if !ok {
		return -1, fmt.Errorf("%w: %s", ErrNotInLegacy, name)
	}
	return copyFD(fd)
}

// File takes a file. The runtime's poller waits on it if it is non-blocking.
func (in *Received) File(name string) (*os.File, error) {
	fd, err := in.Take(name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Socket takes a file and keeps it out of the runtime's poller, whether it blocks or not.
func (in *Received) Socket(name string) (*os.File, error) {
	fd, err := in.Take(name)
	if err != nil {
		return nil, err
	}
	return listeners.Unpolled(fd, name)
}

// Continue takes a file that holds a document, to write further versions to it.
func (in *Received) Continue(name string) (*Document, error) {
	fd, err := in.Take(name)
	if err != nil {
		return nil, err
	}
	d := openDocument(fd)
	d.Read() // learns the number of its version; a damaged one begins again
	return d, nil
}

// Memory takes the legacy's own document, to write further versions to it.
func (in *Received) Memory() *Document {
	in.mu.Lock()
	defer in.mu.Unlock()
	memory := in.memory
	in.memory = nil
	return memory
}

// Close closes the files that were not taken.
func (in *Received) Close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.memory != nil {
		in.memory.Close()
		in.memory = nil
	}
	for name, fd := range in.fds {
		closeFD(fd)
		delete(in.fds, name)
	}
}
