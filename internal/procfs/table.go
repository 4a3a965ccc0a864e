package procfs

import "slices"

// Table is all processes that can be seen, at a moment. Where many families are looked at, it
// costs less than a Tree for each.
type Table struct {
	stats    map[int]Stat
	children map[int][]int
}

// NewTable reads all processes.
func NewTable() Table {
	t := Table{stats: map[int]Stat{}, children: map[int][]int{}}
	for _, pid := range All() {
		if stat, err := Of(pid).Stat(); err == nil {
			t.stats[pid] = stat
			t.children[stat.Parent()] = append(t.children[stat.Parent()], pid)
		}
	}
	return t
}

// Stat is how a process was; ok is false if it was not there.
func (t Table) Stat(pid int) (s Stat, ok bool) {
	s, ok = t.stats[pid]
	return s, ok
}

// Tree is a process and its descendants, parents first.
func (t Table) Tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		for _, child := range t.children[all[i]] {
			if !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}
