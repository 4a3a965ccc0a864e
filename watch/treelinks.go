package watch

import (
	"os"
	"path/filepath"
)

// link looks at a symbolic link: what it leads to counts as if it stood in its place.
func (s *scan) link(path string) {
	sel := s.loop.sel
	asFile, asDir := sel.file(path), sel.link(path)
	if !asFile && !asDir {
		return
	}
	s.follow(path)
	if !isDir(path) {
		if asFile {
			s.file(path)
		}
		return
	}
	if asDir && s.mayEnter(path) {
		s.dir(path)
	}
}

// follow has it told when a link leads elsewhere, and when a file changes that it leads to.
// It comes before what is there is read, so that nothing falls between the two.
func (s *scan) follow(path string) {
	if s.full {
		s.links[path] = true
	}
	if !s.glance {
		s.loop.trust(path, s.loop.events.links.follow(path))
	}
}

// mayEnter says whether a link to a directory is entered. One that leads to a directory on
// its own way would have no end, and links below links may lead to each other in more ways
// than there are files: there each directory is entered once.
func (s *scan) mayEnter(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	target := identityOf(info).node
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && identityOf(info).node == target {
			return false
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if !s.loop.throughLink(filepath.Dir(path), false) {
		return true
	}
	for dir, node := range s.loop.dirs {
		if node == target && dir != path {
			return false
		}
	}
	return true
}

// throughLink says whether a directory was entered through a link: one below the directories
// that patterns begin at, or, above, one on the way to these.
func (l *treeLoop) throughLink(dir string, above bool) bool {
	for ; l.sel.below(dir); dir = filepath.Dir(dir) {
		if l.events.links.has(dir) && (above || !l.sel.begins(dir)) {
			return true
		}
	}
	return false
}

// baseLinks follows the links on the way to a directory that a pattern begins at.
func (s *scan) baseLinks(base string) {
	real, err := filepath.EvalSymlinks(base)
	if err == nil && real != base {
		s.follow(base)
	}
}
