package watch

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// scan is one look at files and directories.
type scan struct {
	loop    *treeLoop
	changed map[string]bool
	quiet   bool      // new files are no change, unless they were written after since
	since   time.Time // zero: all new files are old enough
	glance  bool      // read nothing and remember nothing, only find what may have changed
	entered int       // directories that were not known

	full  bool            // everything is looked at, so what is not seen is gone
	files map[string]bool // seen
	dirs  map[string]bool // seen
	links map[string]bool // seen
	again []string        // files of a directory that was removed
}

// everything looks at all files of the set.
func (s *scan) everything() {
	s.full, s.files, s.dirs, s.links = true, map[string]bool{}, map[string]bool{}, map[string]bool{}
	s.bases()
	for path := range s.loop.known.files {
		if !s.files[path] {
			s.gone(path)
		}
	}
	for path := range s.loop.dirs {
		if !s.dirs[path] && !s.glance {
			s.unwatch(path)
		}
	}
	for _, path := range s.loop.events.links.all() {
		if !s.links[path] && !s.glance {
			s.loop.events.links.unfollow(path)
		}
	}
}

// gone notes that a file does not exist any more, or is no longer in the set.
func (s *scan) gone(path string) {
	inSet := s.loop.sel.file(path)
	if s.glance {
		s.changed[path] = true
		return
	}
	delete(s.loop.known.files, path)
	if inSet {
		s.changed[path] = true
	}
}

// bases enters the bases of the patterns. If a base is missing, the nearest directory above
// it is watched.
func (s *scan) bases() {
	heads := map[string]bool{}
	for _, base := range s.loop.sel.bases() {
		if _, entered := s.loop.dirs[base]; entered && !s.full {
			continue
		}
		s.baseLinks(base)
		if isDir(base) {
			s.dir(base)
			continue
		}
		head := filepath.Dir(base)
		for !isDir(head) && head != filepath.Dir(head) {
			head = filepath.Dir(head)
		}
		heads[head] = true
	}
	if s.glance {
		return
	}
	for head := range s.loop.heads {
		if _, entered := s.loop.dirs[head]; !heads[head] && !entered {
			s.loop.events.forget(head)
		}
	}
	for head := range heads {
		if _, entered := s.loop.dirs[head]; !s.loop.heads[head] && !entered {
			s.loop.trust(head, s.loop.events.watch(head, false))
		}
	}
	s.loop.heads = heads
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// forget ends the watches in a directory that was removed or moved.
func (s *scan) forget(path string, left bool) {
	was, entered := s.loop.dirs[path]
	if !entered {
		return
	}
	if info, err := os.Stat(path); err == nil && !left && info.IsDir() && identityOf(info).node == was {
		return
	}
	for dir := range s.loop.dirs {
		if _, in := under(path, dir); in {
			s.unwatch(dir)
		}
	}
	for file := range s.loop.known.files {
		if _, in := under(path, file); in {
			s.again = append(s.again, file)
		}
	}
}

func (s *scan) unwatch(dir string) {
	delete(s.loop.dirs, dir)
	s.loop.events.forget(dir)
}

// path looks at a path for which an event came.
func (s *scan) path(path string) {
	info, err := os.Lstat(path)
	switch {
	case s.loop.sel.begins(path):
		s.baseLinks(path)
	case err != nil || info.Mode()&fs.ModeSymlink == 0:
		s.loop.events.links.unfollow(path)
	}
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		s.link(path)
	case err == nil && info.IsDir():
		if _, entered := s.loop.dirs[path]; !entered && s.loop.sel.dir(path) {
			s.dir(path)
		}
	case err != nil:
		if _, known := s.loop.known.files[path]; known {
			s.file(path)
		}
	case s.loop.sel.file(path):
		s.file(path)
	}
}

// dir enters a directory. It is watched before it is read, so that no change in between is
// missed.
func (s *scan) dir(path string) {
	info, err := os.Stat(path)
	if err != nil || s.dirs[path] {
		return
	}
	if s.loop.shut(path) {
		return
	}
	if s.full {
		s.dirs[path] = true
	}
	node := identityOf(info).node
	if old, entered := s.loop.dirs[path]; !entered || old != node {
		s.entered++
		if !s.glance {
			if entered {
				s.unwatch(path)
			}
			s.loop.dirs[path] = node
			s.loop.trust(path, s.loop.events.watch(path, s.loop.throughLink(path, true)))
		}
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.loop.trust(path, err)
	}
	for _, entry := range entries {
		name := filepath.Join(path, entry.Name())
		switch {
		case entry.Type()&fs.ModeSymlink != 0:
			s.link(name)
		case entry.IsDir():
			if s.loop.sel.dir(name) {
				s.dir(name)
			}
		case s.loop.sel.file(name):
			s.file(name)
		}
	}
}

func (s *scan) file(path string) {
	if s.full {
		if s.files[path] {
			return
		}
		s.files[path] = true
	}
	if s.glance {
		if !s.loop.known.same(path) {
			s.changed[path] = true
		}
		return
	}
	changed, fresh := s.loop.known.look(path)
	if fresh && (!s.quiet || s.young(path)) {
		changed = true
	}
	if changed {
		s.changed[path] = true
	}
}

// young says whether a file was written after the moment since.
func (s *scan) young(path string) bool {
	return !s.since.IsZero() && time.Unix(0, s.loop.known.files[path].id.mtime).After(s.since)
}

// end returns what has changed.
func (s *scan) end() []string {
	for _, path := range s.again {
		s.file(path)
	}
	s.loop.tree.watches.Store(int64(s.loop.events.count()))
	s.loop.tree.files.Store(int64(len(s.loop.known.files)))
	s.loop.choosePoll()
	return slices.Sorted(maps.Keys(s.changed))
}

// passing says whether an error only means that a file was removed in the meantime.
func passing(err error) bool {
	return err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
