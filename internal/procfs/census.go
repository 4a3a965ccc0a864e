package procfs

import (
	"cmp"
	"slices"
	"sync"
)

// Census knows all processes that can be seen, and whose children they are. From one Take to the next
// it remembers the parent of each: the kernel takes longer to write the state of a process than to list
// it, and most processes of a machine belong to no worker. The zero value knows none.
type Census struct {
	root string // instead of /proc; for tests

	mu    sync.Mutex
	known []inhabitant // at the last Take, by their numbers
	spare []inhabitant // room for the next Take
}

// inhabitant is a process in a Census. The inodes of directories tell processes from earlier ones of the
// same numbers.
type inhabitant struct {
	pid, parent  int
	inode, above uint64 // of its directory, and of its parent's; 0: there is none that can be seen
}

// Take returns the processes that there are now.
func (c *Census) Take() *Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	root := cmp.Or(c.root, "/proc")
	before, now := c.known, inhabitants(root, c.spare[:0])
	t := &Table{root: root}
	for i := range now {
		p := &now[i]
		for len(before) > 0 && before[0].pid < p.pid {
			before = before[1:]
		}
		if len(before) == 0 || !p.remembered(before[0], now) {
			p.ask(now, t)
		}
	}
	now = slices.DeleteFunc(now, func(p inhabitant) bool { return p.parent < 0 })
	c.known, c.spare = now, c.known
	t.kin = make([]kin, len(now))
	for i, p := range now {
		t.kin[i] = kin{p.parent, p.pid}
	}
	slices.SortStableFunc(t.kin, func(a, b kin) int { return cmp.Compare(a.parent, b.parent) })
	return t
}

// remembered takes the parent from the last Take, if both it and the parent are still there: a process
// gets another parent only when its parent ends.
func (p *inhabitant) remembered(last inhabitant, now []inhabitant) bool {
	if last.pid != p.pid || last.inode != p.inode || last.above != inodeIn(now, last.parent) {
		return false
	}
	if last.parent != 0 && last.above == 0 {
		return false
	}
	p.parent, p.above = last.parent, last.above
	return true
}

// ask reads the parent; a negative number means that the process has ended.
func (p *inhabitant) ask(now []inhabitant, t *Table) {
	p.parent = -1
	if f, ok := t.Figures(p.pid); ok {
		p.parent, p.above = f.Parent, inodeIn(now, f.Parent)
	}
}

// inodeIn is the inode of a process's directory, 0 if the process is not there.
func inodeIn(all []inhabitant, pid int) uint64 {
	i, found := slices.BinarySearchFunc(all, pid, func(p inhabitant, pid int) int { return cmp.Compare(p.pid, pid) })
	if !found {
		return 0
	}
	return all[i].inode
}
