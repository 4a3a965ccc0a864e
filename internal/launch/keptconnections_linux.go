package launch

import (
	"fmt"
	"os"
	"sync"

	"relevo/internal/rescue"
	"relevo/pool"
)

// keptConnections are those that no worker has and that are on their way to one, for the
// case that this master dies. One that is sent is kept no more: it is in the worker's
// channel, and to send it again would give it to two workers.
type keptConnections struct {
	keeper Keeper // nil: none

	mu      sync.Mutex
	names   map[*rescue.Connection]string
	left    map[*rescue.Connection]int // the slots of those that a master leaves to the next one
	passed  bool                       // what is left now comes too late for the next master
	awaited map[int]bool               // workers that are not adopted yet, by pid
	all     chan struct{}              // closed when no worker is awaited any more
	begun   []*handover                // of adopted workers that leave
}

func (k *keptConnections) keep(slot int, c *rescue.Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keeper == nil || k.names[c] != "" || len(k.names) >= MaxKept {
		return
	}
	if k.names == nil {
		k.names = map[*rescue.Connection]string{}
	}
	k.names[c] = nameOfConnection(slot, c)
	k.keeper.Keep(k.names[c], c.File)
}

func (k *keptConnections) drop(c *rescue.Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name := k.names[c]; name != "" {
		delete(k.names, c)
		k.keeper.Drop(name)
	}
}

// bequeath leaves connections of a slot to the next master, and returns those that it cannot
// get. If the succession fails, this master keeps running with them (adopted).
func (k *keptConnections) bequeath(slot int, all []*rescue.Connection) (rest []*rescue.Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.passed {
		return all
	}
	if k.left == nil {
		k.left = map[*rescue.Connection]int{}
	}
	for _, c := range all {
		if len(k.left) >= MaxKept {
			rest = append(rest, c)
			continue
		}
		k.left[c] = slot
	}
	return rest
}

// Connections returns what is left to the next master, for TakeOverConnections. The Launcher
// still owns the files.
func (l *Launcher) Connections() map[string]*os.File {
	k := &l.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	k.passed = true
	files := map[string]*os.File{}
	for c, slot := range k.left {
		files[nameOfConnection(slot, c)] = c.File
	}
	return files
}

func nameOfConnection(slot int, c *rescue.Connection) string {
	return fmt.Sprintf("%s%d.%d", connectionFile, slot, c.Inode)
}

// await has the connections of a master that died wait for the adoption of a worker.
func (k *keptConnections) await(pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.awaited) == 0 {
		k.awaited, k.all = map[int]bool{}, make(chan struct{})
	}
	k.awaited[pid] = true
}

// together returns a channel that is closed when all workers are adopted.
func (k *keptConnections) together() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.awaited) > 0 {
		return k.all
	}
	now := make(chan struct{})
	close(now)
	return now
}

// TakeOverConnections takes over the connections that the previous master left, or that its
// Keeper had. They are given to workers when all workers are adopted.
func (l *Launcher) TakeOverConnections(files map[string]*os.File) {
	l.kept.left = map[*rescue.Connection]int{}
	for name, file := range files {
		var slot int
		var inode uint64
		if _, err := fmt.Sscanf(name, connectionFile+"%d.%d", &slot, &inode); err != nil {
			file.Close()
			continue
		}
		c, err := rescue.Kept(inode, file)
		if err != nil { // the client has gone
			file.Close()
			continue
		}
		l.kept.keep(slot, c)
		l.kept.left[c] = slot
	}
}

// claim is called for a worker that is being adopted. The connections that it still has are its
// own, or, if it leaves, are handed over as soon as it has closed them.
func (l *Launcher) claim(p *Process, leaves bool) {
	k := &l.kept
	k.mu.Lock()
	left := len(k.left)
	k.mu.Unlock()
	if left == 0 {
		return
	}
	has := p.openSockets()
	h := p.newHandover()
	k.mu.Lock()
	for c := range k.left {
		if has[c.Inode] {
			h.held = append(h.held, c)
			delete(k.left, c)
		}
	}
	if leaves {
		k.begun = append(k.begun, h)
	}
	k.mu.Unlock()
	if !leaves {
		h.giveBack()
		return
	}
	seen := map[uint64]bool{}
	for _, inode := range h.inodes() {
		seen[inode] = true
	}
	p.tally.look(seen)
	p.tally.handOver(h.inodes())
}

// adopted is called when a worker has been adopted. The last call hands over the connections
// that wait.
func (l *Launcher) adopted(pid int, sink func(pool.Report)) {
	k := &l.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	k.passed = false // a succession has failed, or this master has just begun
	if delete(k.awaited, pid); len(k.awaited) > 0 {
		return
	}
	if k.all != nil {
		close(k.all)
		k.all = nil
	}
	slots := map[int]*handover{}
	for c, slot := range k.left {
		if slots[slot] == nil {
			slots[slot] = newHandover(l, slot, sink)
			k.begun = append(k.begun, slots[slot])
		}
		slots[slot].held = append(slots[slot].held, c)
	}
	for _, h := range k.begun {
		l.handovers.add(h)
		go h.run()
	}
	k.left, k.begun = nil, nil
}
