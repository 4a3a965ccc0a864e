package keeper

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"

	"relevo/internal/launch"
	"relevo/internal/succession"
	"relevo/pool"
	"relevo/systemd"
	"relevo/upgrader"
	"relevo/upgrader/listeners"
)

// Keeper is safe for concurrent use. A nil Keeper keeps nothing.
type Keeper struct {
	o      Options
	memory *upgrader.Document
	size   int // how many files systemd keeps; 0: not known

	mu     sync.Mutex
	open   bool                // systemd listens to this process
	stored map[string]bool     // what systemd has
	wanted map[string]*os.File // what systemd is to have, until open
	// retained: the files that are left stay.
	retained bool
	warned   sync.Once
}

// Names of the document in systemd's store, and in a legacy.
const (
	storedDocument = "document"
	memoryFile     = "memory"
)

// Options are what a Keeper is made of. Arrival is nil for a first master; the others are
// required.
type Options struct {
	Log      *slog.Logger
	Notifier *systemd.Notifier
	Getenv   func(string) string
	Arrival  *succession.Arrival
	// State returns the document as it is now, with the pool's part of it.
	State func(pool.Legacy) ([]byte, error)
}

// Open takes over what systemd has stored already. It returns nil if systemd keeps no files for
// this unit, and warns if it could.
func Open(o Options) *Keeper {
	if o.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	size, known := systemd.StoreSize(o.Getenv)
	if known && size == 0 {
		o.Log.Warn("systemd keeps no files for this unit: if this master is killed, its workers are lost with it; " +
			"set FileDescriptorStoreMax= in the unit (relevo unit)")
		return nil
	}
	memory, stored, err := openMemory(o.Arrival)
	if err != nil {
		o.Log.Warn("cannot keep the state for the next master", "err", err)
		return nil
	}
	k := &Keeper{o: o, memory: memory, size: size, stored: map[string]bool{},
		wanted: map[string]*os.File{storedDocument: memory.File()}}
	for _, name := range stored {
		k.stored[name] = true
	}
	return k
}

// openMemory returns the document that systemd has, or a new one.
func openMemory(a *succession.Arrival) (memory *upgrader.Document, stored []string, err error) {
	if a == nil || a.In == nil {
		memory, err = upgrader.NewDocument()
		return memory, nil, err
	}
	if a.Way == succession.Store {
		if memory = a.In.Memory(); memory != nil {
			return memory, append(a.Stored, storedDocument), nil
		}
	}
	if memory, err = a.In.Continue(memoryFile); err == nil {
		return memory, a.Left.Stored, nil
	}
	memory, err = upgrader.NewDocument()
	return memory, nil, err
}

// Bequeath adds the document to a legacy: the next master writes to the same one.
func (k *Keeper) Bequeath(l *upgrader.Legacy) {
	if k != nil {
		l.Files[memoryFile] = k.memory.File()
	}
}

// ForPool returns this Keeper for a pool; a nil interface, and not one of a nil pointer, if there
// is none.
func (k *Keeper) ForPool() pool.Keeper {
	if k == nil {
		return nil
	}
	return k
}

// ForConnections returns this Keeper for the connections of a launcher; nil if there is none.
func (k *Keeper) ForConnections() launch.Keeper {
	if k == nil {
		return nil
	}
	return k
}

// ForListeners returns this Keeper for the listening sockets; nil if there is none.
func (k *Keeper) ForListeners() listeners.Keeper {
	if k == nil {
		return nil
	}
	return k
}

// Begin sends what has been waiting: systemd does not listen to a master before it is the unit's
// main process.
func (k *Keeper) Begin() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = true
	// A socket that a master has under a new name comes after its old name has left: systemd ignores a
	// file that it has already, whatever the name.
	for name := range maps.Clone(k.stored) {
		if _, kept := k.wanted[name]; !kept {
			k.discard(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.wanted)) {
		k.store(name, k.wanted[name])
	}
	k.wanted = nil
}

// Forget removes the files of a legacy that cannot be taken over.
func (k *Keeper) Forget() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wanted = map[string]*os.File{storedDocument: k.memory.File()}
}

// store holds k.mu.
func (k *Keeper) store(name string, file *os.File) {
	if k.stored[name] {
		return
	}
	if k.size > 0 && len(k.stored) >= k.size {
		k.failed(fmt.Errorf("its store is full: it keeps %d files for this unit (FileDescriptorStoreMax=; "+
			"relevo doctor tells how many are needed)", k.size))
	}
	if err := k.o.Notifier.Store(systemd.StoredPrefix+name, file); err != nil {
		k.failed(err)
		return
	}
	k.stored[name] = true
}

// discard holds k.mu.
func (k *Keeper) discard(name string) {
	delete(k.stored, name)
	k.o.Notifier.Discard(systemd.StoredPrefix + name)
}

// Keep stores a file: pool.Keeper and listeners.Keeper.
func (k *Keeper) Keep(name string, file *os.File) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.open {
		k.wanted[name] = file
		return
	}
	k.store(name, file)
}

// Drop takes a file out of the store: pool.Keeper and listeners.Keeper.
func (k *Keeper) Drop(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !k.open:
		delete(k.wanted, name)
	case !k.retained:
		k.discard(name)
	}
}

// Save writes the state into memory: pool.Keeper. From the moment when it is complete, the next
// master would use it.
func (k *Keeper) Save(l pool.Legacy) {
	text, err := k.o.State(l)
	if err == nil {
		err = k.memory.Write(text)
	}
	if err != nil {
		k.failed(err)
	}
}

// Names returns the names of the files that systemd has.
func (k *Keeper) Names() []string {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.stored))
}

// Retain leaves only these sockets of listeners in the store, for a restart: clients that connect in
// between wait in them. It is called when no worker is left.
func (k *Keeper) Retain(l succession.Document, sockets []string) error {
	if k == nil {
		return nil
	}
	text, err := json.Marshal(l)
	if err == nil {
		err = k.memory.Write(text)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for name := range maps.Clone(k.stored) {
		if name != storedDocument && !slices.Contains(sockets, name) {
			k.discard(name)
		}
	}
	k.retained = true
	return err
}

// failed warns once: the app works without the store as long as this master lives.
func (k *Keeper) failed(err error) {
	k.warned.Do(func() {
		k.o.Log.Warn("systemd may not keep everything: if this master is killed, workers may be lost", "err", err)
	})
}
