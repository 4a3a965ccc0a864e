package upgrader

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
)

// Legacy is everything that outlives a master: one document, and named files.
type Legacy struct {
	Document []byte
	Files    map[string]*os.File // still owned by the caller
}

// Inheritance is a Legacy on arrival: descriptors that the new master takes one by one.
// It may be used by one goroutine at a time.
type Inheritance struct {
	Document []byte
	Owed     []syscall.Signal // that the process had taken before it became this program: InPlace.Owed

	memory *Document // where Document came from
	mu     sync.Mutex
	fds    map[string]int
}

// ErrNotInherited is returned for a file that a legacy does not have.
var ErrNotInherited = errors.New("upgrader: no such file was inherited")

// NewInheritance is the legacy in descriptors, which it takes. Read reads its
// document.
func NewInheritance(fds map[string]int) *Inheritance { return &Inheritance{fds: fds} }

// Read reads the document.
func (in *Inheritance) Read() error {
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

func newInheritance(fds map[string]int) (*Inheritance, error) {
	in := NewInheritance(fds)
	if err := in.Read(); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// Names returns the names of the files that were not taken yet, sorted.
func (in *Inheritance) Names() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Sorted(maps.Keys(in.fds))
}

// Take takes a descriptor.
func (in *Inheritance) Take(name string) (fd int, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	fd, ok := in.fds[name]
	if !ok {
		return -1, fmt.Errorf("%w: %s", ErrNotInherited, name)
	}
	delete(in.fds, name)
	return fd, nil
}

// Copy copies a descriptor and leaves it where it is.
func (in *Inheritance) Copy(name string) (fd int, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	fd, ok := in.fds[name]
	if !ok {
		return -1, fmt.Errorf("%w: %s", ErrNotInherited, name)
	}
	return copyFD(fd)
}

// File takes a file. The runtime's poller waits on it if it is non-blocking.
func (in *Inheritance) File(name string) (*os.File, error) {
	fd, err := in.Take(name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Socket takes a file and keeps it out of the runtime's poller, whether it blocks or not.
func (in *Inheritance) Socket(name string) (*os.File, error) {
	fd, err := in.Take(name)
	if err != nil {
		return nil, err
	}
	return unpolledFile(fd, name)
}

// Continue takes a document that is one of the files, to write further versions to it.
func (in *Inheritance) Continue(name string) (*Document, error) {
	fd, err := in.Take(name)
	if err != nil {
		return nil, err
	}
	d := openDocument(fd)
	d.Read() // for its place in the sequence; one that is damaged begins anew
	return d, nil
}

// Memory takes the document itself, to be written on.
func (in *Inheritance) Memory() *Document {
	in.mu.Lock()
	defer in.mu.Unlock()
	memory := in.memory
	in.memory = nil
	return memory
}

// Close closes the files that were not taken.
func (in *Inheritance) Close() {
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
