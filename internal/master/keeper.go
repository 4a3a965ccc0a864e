package master

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"relevo/internal/launch"
	"relevo/internal/succession"
	"relevo/pool"
	"relevo/systemd"
	"relevo/upgrader"
)

// keeper has systemd keep what a later master needs if this one dies: every file
// in systemd's store (FDSTORE=1, see sd_pid_notify_with_fds(3)), and the state in a
// document in memory, which is one of them and is written in place. A nil keeper
// keeps nothing.
type keeper struct {
	notifier *systemd.Notifier
	memory   *upgrader.Document
	state    func(pool.Legacy) ([]byte, error)
	failed   func(error)
	size     int // how many files it keeps, 0 where that is not known

	mu     sync.Mutex
	open   bool                // systemd listens to this process
	stored map[string]bool     // what it has
	wanted map[string]*os.File // what it is to have, until open
	// retained: what is left stays.
	retained bool
	warned   sync.Once
}

const storedDocument = "document"

// newKeeper goes on with what is stored already.
func newKeeper(n *systemd.Notifier, memory *upgrader.Document, stored []string) *keeper {
	k := &keeper{notifier: n, memory: memory, stored: map[string]bool{}, wanted: map[string]*os.File{}}
	for _, name := range stored {
		k.stored[name] = true
	}
	k.wanted[storedDocument] = memory.File()
	return k
}

// forPool is nil where there is no keeper: an interface of a nil pointer is not.
func (k *keeper) forPool() pool.Keeper {
	if k == nil {
		return nil
	}
	return k
}

func (k *keeper) connections() launch.Keeper {
	if k == nil {
		return nil
	}
	return k
}

func (k *keeper) files() upgrader.Keeper {
	if k == nil {
		return nil
	}
	return k
}

// begin sends what has been waiting: a master that is not yet the unit's main
// process is not listened to.
func (k *keeper) begin() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = true
	for _, name := range slices.Sorted(maps.Keys(k.wanted)) {
		k.store(name, k.wanted[name])
	}
	for name := range maps.Clone(k.stored) {
		if _, kept := k.wanted[name]; !kept {
			k.discard(name)
		}
	}
	k.wanted = nil
}

// forget takes back what was to be kept of a legacy that is not gone on with.
func (k *keeper) forget() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wanted = map[string]*os.File{storedDocument: k.memory.File()}
}

// store holds k.mu.
func (k *keeper) store(name string, file *os.File) {
	if k.stored[name] {
		return
	}
	if k.size > 0 && len(k.stored) >= k.size {
		k.failed(fmt.Errorf("its store is full: it keeps %d files for this unit (FileDescriptorStoreMax=; "+
			"relevo doctor tells how many are needed)", k.size))
	}
	if err := k.notifier.Store(systemd.StoredPrefix+name, file); err != nil {
		k.failed(err)
		return
	}
	k.stored[name] = true
}

// discard holds k.mu.
func (k *keeper) discard(name string) {
	delete(k.stored, name)
	k.notifier.Discard(systemd.StoredPrefix + name)
}

// Keep stores a file: pool.Keeper and upgrader.Keeper.
func (k *keeper) Keep(name string, file *os.File) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.open {
		k.wanted[name] = file
		return
	}
	k.store(name, file)
}

// Drop takes a file out of the store: pool.Keeper and upgrader.Keeper.
func (k *keeper) Drop(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !k.open:
		delete(k.wanted, name)
	case !k.retained:
		k.discard(name)
	}
}

// Save writes the state into memory: pool.Keeper. It is the next master's from the
// moment in which it is whole.
func (k *keeper) Save(l pool.Legacy) {
	text, err := k.state(l)
	if err == nil {
		err = k.memory.Write(text)
	}
	if err != nil {
		k.failed(err)
	}
}

// names are those that systemd has.
func (k *keeper) names() []string {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.stored))
}

// retain leaves of all files but some listeners, which a restart finds again: clients
// that come in between wait in them. It is called when no worker is left.
func (k *keeper) retain(l succession.Document, listeners []string) error {
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
		if name != storedDocument && !slices.Contains(listeners, name) {
			k.discard(name)
		}
	}
	k.retained = true
	return err
}

// openKeeper finds out whether systemd keeps files for this unit.
func (m *Master) openKeeper() error {
	m.systemd = systemd.NewNotifier(os.Getenv, func(err error) { m.log.Warn("cannot notify systemd", "err", err) })
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	size, known := systemd.StoreSize(os.Getenv)
	if known && size == 0 {
		m.log.Warn("systemd keeps no files for this unit: if this master is killed, its workers are lost with it; " +
			"set FileDescriptorStoreMax= in the unit (relevo unit)")
		return nil
	}
	memory, stored, err := m.memory()
	if err != nil {
		m.log.Warn("cannot keep the state for a master after this one", "err", err)
		return nil
	}
	m.keeper = newKeeper(m.systemd, memory, stored)
	m.keeper.failed, m.keeper.size = m.keepingFailed, size
	m.keeper.state = func(l pool.Legacy) ([]byte, error) {
		text, _, err := estate{m}.document(l, "")
		return text, err
	}
	return nil
}

// retainListeners leaves the addresses with systemd at the end of the app, for the
// case that this is a restart: it closes them where it is not. A Unix socket is not
// worth it, for its file goes with this master.
func (m *Master) retainListeners() {
	all, _ := m.listeners.Upgrader.Legacy()
	var names []string
	l := estate{m}.state()
	l.Stopped = true
	for _, listener := range all {
		if listener.Unix == nil && !listener.Lent && !listener.Leaving {
			names = append(names, upgrader.ListenerFile(listener.ID))
		}
	}
	m.report(m.keeper.retain(l, names))
}

// keepingFailed warns once: the service is none the worse for it as long as this
// master lives.
func (m *Master) keepingFailed(err error) {
	m.keeper.warned.Do(func() {
		m.log.Warn("systemd may not keep everything: if this master is killed, workers may be lost", "err", err)
	})
}

// memory is the document that systemd has, or a new one.
func (m *Master) memory() (memory *upgrader.Document, stored []string, err error) {
	a := m.opts.Arrival
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
