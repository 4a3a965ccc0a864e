package watch

import (
	"os"
	"path/filepath"
)

// link looks at a symbolic link. Its target counts as if it were in the link's place.
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

// follow watches a link and the file that it leads to. This comes before the file is read,
// so that no change in between is missed.
func (s *scan) follow(path string) {
	if s.full {
		s.links[path] = true
	}
	if !s.glance {
		s.loop.trust(path, s.loop.events.links.follow(path))
	}
}

// mayEnter says whether a link to a directory is entered. A link to a directory that contains
// it would never end. Links below links may lead to each other in very many ways: so below a
// link, each directory is entered only once.
func (s *scan) mayEnter(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	target := identityOf(info).node
	if isAbove(path, target) {
		return false
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

// isAbove says whether target is one of the directories that lead to path.
func isAbove(path string, target node) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && identityOf(info).node == target {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// throughLink says whether a directory was entered through a link below a pattern's base or,
// with above, also through a link on the way to the base.
func (l *treeLoop) throughLink(dir string, above bool) bool {
	for ; l.sel.below(dir); dir = filepath.Dir(dir) {
		if l.events.links.has(dir) && (above || !l.sel.begins(dir)) {
			return true
		}
	}
	return false
}

// baseLinks follows the links on the way to a pattern's base.
func (s *scan) baseLinks(base string) {
	real, err := filepath.EvalSymlinks(base)
	if err == nil && real != base {
		s.follow(base)
	}
}
