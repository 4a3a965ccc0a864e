package procfs

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strconv"
	"time"
)

// Table holds all visible processes at one moment. For many families it costs less than a Tree for
// each. The figures of a process are read when they are first needed, and their text is not kept:
// in a master whose metrics are read it would soon be garbage. Only one goroutine may use it at a
// time.
type Table struct {
	root string
	read []reading // sorted by the number
	kin  []kin     // sorted by the parent
}

type reading struct {
	pid int
	Figures
}

type kin struct{ parent, child int }

// Figures are the numbers of proc_pid_stat(5) that a Table keeps.
type Figures struct {
	Parent   int
	CPU      time.Duration // on processors
	Threads  int
	Resident int64 // bytes in memory
}

// NewTable finds all processes. A caller that does so again and again should keep a Census.
func NewTable() *Table { return new(Census).Take() }

// parseFigures reads a line as parseStat does, but as far as it needs to, and without a copy.
func parseFigures(line []byte) (f Figures, ok bool) {
	const state, last = 3, 24
	_, rest, ok := bytes.Cut(line[bytes.LastIndexByte(line, ')')+1:], []byte{' '})
	var ticks, pages int64
	for number := state; number <= last && ok; number++ {
		var field []byte
		field, rest, ok = bytes.Cut(rest, []byte{' '})
		switch number {
		case 4:
			f.Parent = int(decimal(field))
		case 14, 15:
			ticks += decimal(field)
		case 20:
			f.Threads = int(decimal(field))
		case last:
			pages = decimal(field)
		}
	}
	f.CPU, f.Resident = time.Duration(ticks)*clockTick, pages*int64(os.Getpagesize())
	return f, ok
}

func decimal(text []byte) int64 {
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}

// Figures returns the figures of a process; ok is false if it was not there.
func (t *Table) Figures(pid int) (f Figures, ok bool) {
	i, known := slices.BinarySearchFunc(t.read, pid, func(r reading, pid int) int { return cmp.Compare(r.pid, pid) })
	if known {
		return t.read[i].Figures, true
	}
	var buffer [1024]byte
	n, err := readInto(t.root+"/"+strconv.Itoa(pid)+"/stat", buffer[:])
	if err != nil {
		return Figures{}, false
	}
	if f, ok = parseFigures(buffer[:n]); ok {
		t.read = slices.Insert(t.read, i, reading{pid, f})
	}
	return f, ok
}

// Tree is a process and its descendants, parents first. Processes that have another parent by now,
// or have ended, are left out.
func (t *Table) Tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		first, _ := slices.BinarySearchFunc(t.kin, all[i], func(k kin, parent int) int {
			return cmp.Compare(k.parent, parent)
		})
		for _, k := range t.kin[first:] {
			if k.parent != all[i] {
				break
			}
			if f, ok := t.Figures(k.child); ok && f.Parent == all[i] && !slices.Contains(all, k.child) {
				all = append(all, k.child)
			}
		}
	}
	return all
}
