package pool

import (
	"maps"
	"os"
	"slices"
)

// Keeper keeps what the next master needs if this one is killed: each file, under its
// name in Legacy.Files, when it is created, and the newest state. Its methods are called
// from the pool's loop and must not block.
type Keeper interface {
	Keep(name string, file *os.File)
	Drop(name string)
	// Save is called after changes. The files of l are not filled in: they have
	// been kept.
	Save(l Legacy)
}

// keep gives files to the keeper and returns their names there.
func (p *Pool) keep(files map[string]*os.File, nameOf func(string) string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		names = append(names, nameOf(name))
		p.opts.Keeper.Keep(nameOf(name), files[name])
	}
	p.unsaved = true
	return names
}

func (p *Pool) keepProcess(m *member) {
	if p.opts.Keeper == nil {
		return // and no legacy is written, which would cost a small master 100 KB
	}
	m.kept = p.keep(m.process.Legacy().Files, func(name string) string { return WorkerFile(m.id, name) })
}

func (p *Pool) keepRelease(generation int) {
	if p.opts.Keeper == nil {
		return
	}
	p.kept[generation] = p.keep(p.releases[generation].Legacy().Files, func(name string) string {
		return ReleaseFile(generation, name)
	})
}

func (p *Pool) drop(names []string) {
	for _, name := range names {
		p.opts.Keeper.Drop(name)
	}
	p.unsaved = true
}

// save hands the newest state to the keeper, once for all changes of a batch.
func (p *Pool) save() {
	if !p.unsaved || p.frozen != nil {
		return
	}
	p.unsaved = false
	if p.opts.Keeper != nil {
		p.opts.Keeper.Save(p.present())
	}
	for _, saved := range p.awaitSave {
		saved()
	}
	p.awaitSave = nil
}

// present is the legacy of a master that dies now, without its files.
func (p *Pool) present() Legacy {
	processes := map[int]ProcessLegacy{}
	for id, m := range p.members {
		if m.process != nil {
			processes[id] = m.process.Legacy()
		}
	}
	l := p.legacy(processes)
	l.Files = nil
	return l
}
