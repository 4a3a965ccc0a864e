package watch

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// linkEvents collects the events of the targets of a tree's symbolic links, and reports them
// as events of the links. inotify has one watch for each directory, even if several paths
// lead to it. So targets are watched by an inotify instance of their own, under their real
// path.
type linkEvents struct {
	told func(path string, lost bool) // called for each event

	mu      sync.Mutex
	fs      *fsnotify.Watcher // nil until there is a link
	pumped  chan struct{}
	links   map[string]followed        // by the link's path
	dirs    map[string]string          // real paths of directories that were entered through a link
	logical map[string]map[string]bool // by real path: the paths of the tree that lead there
	held    map[string]int             // by real directory: how many links and dirs need its watch
	watched map[string]bool            // real directories whose watch is in place
}

// followed is what a link depends on.
type followed struct {
	names map[string]bool // look-ups whose events matter
	holds map[string]bool // the directories of these look-ups
}

func newLinkEvents(told func(path string, lost bool)) *linkEvents {
	return &linkEvents{
		told: told, links: map[string]followed{}, dirs: map[string]string{}, logical: map[string]map[string]bool{},
		held: map[string]int{}, watched: map[string]bool{},
	}
}

func (e *linkEvents) close() {
	e.mu.Lock()
	fs := e.fs
	e.mu.Unlock()
	if fs != nil {
		fs.Close()
		<-e.pumped
	}
}

func (e *linkEvents) event(event fsnotify.Event) {
	name := filepath.Clean(event.Name)
	var touched []string
	e.mu.Lock()
	if event.Has(fsnotify.Create) || event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
		delete(e.watched, name) // its watch is on the inode that has left the path
	}
	for path := range e.logical[name] {
		touched = append(touched, path)
	}
	for dir := range e.logical[filepath.Dir(name)] {
		if _, entered := e.dirs[dir]; entered {
			touched = append(touched, filepath.Join(dir, filepath.Base(name)))
		}
	}
	e.mu.Unlock()
	for _, path := range touched {
		e.told(path, false)
	}
}

// follow watches everything that decides where a link leads, or a path with links on its way.
// It returns when all watches were in place before the last look.
func (e *linkEvents) follow(link string) error {
	const patience = 20
	for range patience {
		now := lookUp(link)
		added, err := e.replace(link, now)
		if !added || err != nil {
			return err
		}
	}
	e.told(link, false) // it changes faster than it can be looked up
	return nil
}

// lookUp returns the entries of directories that decide where a path leads.
func lookUp(path string) followed {
	f := followed{names: map[string]bool{}, holds: map[string]bool{}}
	r := resolve(path)
	for name := range r.names {
		info, err := os.Lstat(name)
		if err != nil || info.Mode()&fs.ModeSymlink != 0 || name == r.file {
			f.names[name], f.holds[filepath.Dir(name)] = true, true
		}
	}
	if real, err := filepath.EvalSymlinks(path); err == nil && isDir(real) {
		f.names[real], f.holds[real] = true, true // only its own watch reports that it is moved
	}
	return f
}

// replace sets what a link depends on.
func (e *linkEvents) replace(link string, now followed) (added bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.begin(); err != nil {
		return false, err
	}
	before := e.links[link]
	e.links[link] = now
	for dir := range now.holds {
		new, holdErr := e.hold(dir, before.holds[dir])
		added = added || new
		if holdErr != nil {
			err = holdErr
		}
	}
	for dir := range before.holds {
		if !now.holds[dir] {
			e.letGo(dir)
		}
	}
	for name := range before.names {
		if !now.names[name] {
			e.forgetName(name, link)
		}
	}
	for name := range now.names {
		added = added || !before.names[name]
		e.stands(name, link)
	}
	return added, err
}

// enter watches a directory that was entered through a link.
func (e *linkEvents) enter(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil // it was removed meanwhile
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.begin(); err != nil {
		return err
	}
	if old, entered := e.dirs[dir]; entered && old != real {
		e.unwatchLocked(dir)
	}
	_, entered := e.dirs[dir]
	_, err = e.hold(real, entered)
	e.dirs[dir] = real
	e.stands(real, dir)
	return err
}

// forget ends the watches for a path, of a link or of a directory.
func (e *linkEvents) forget(path string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unwatchLocked(path)
}

// unfollow ends the watches that a link needs.
func (e *linkEvents) unfollow(link string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.links[link]
	delete(e.links, link)
	for dir := range was.holds {
		e.letGo(dir)
	}
	for name := range was.names {
		e.forgetName(name, link)
	}
}

func (e *linkEvents) unwatchLocked(dir string) {
	real, entered := e.dirs[dir]
	if !entered {
		return
	}
	delete(e.dirs, dir)
	e.forgetName(real, dir)
	e.letGo(real)
}

// begin makes the inotify instance for the first link.
func (e *linkEvents) begin() error {
	if e.fs != nil {
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return limitError(err, 0)
	}
	e.fs, e.pumped = watcher, make(chan struct{})
	go pump(watcher.Events, watcher.Errors, e.pumped, e.event, func() { e.told("", true) })
	return nil
}

func (e *linkEvents) stands(real, path string) {
	if e.logical[real] == nil {
		e.logical[real] = map[string]bool{}
	}
	e.logical[real][path] = true
}

// forgetName removes a path of the tree from those that lead to a real path, unless it is
// there twice: as a link, and as the directory that was entered through it.
func (e *linkEvents) forgetName(real, path string) {
	if e.links[path].names[real] || e.dirs[path] == real {
		return
	}
	delete(e.logical[real], path)
	if len(e.logical[real]) == 0 {
		delete(e.logical, real)
	}
}

// hold watches a real directory. already says that the caller has counted it before.
func (e *linkEvents) hold(dir string, already bool) (added bool, err error) {
	if !already {
		e.held[dir]++
	}
	if e.watched[dir] {
		return false, nil
	}
	_ = e.fs.Remove(dir) // the watch may be on an earlier directory of this path
	if err := e.fs.Add(dir); err != nil {
		if passing(err) {
			return false, nil
		}
		return false, limitError(fmt.Errorf("cannot watch %s: %w", dir, err), len(e.watched))
	}
	e.watched[dir] = true
	if name := silentFilesystem(dir); name != "" {
		err = fmt.Errorf("%s is on %s, which has no events for changes made elsewhere", dir, name)
	}
	return true, err
}

func (e *linkEvents) letGo(dir string) {
	if e.held[dir]--; e.held[dir] > 0 {
		return
	}
	delete(e.held, dir)
	delete(e.watched, dir)
	_ = e.fs.Remove(dir) // fails if the directory was removed
}

// has says whether a path is a link that is followed.
func (e *linkEvents) has(path string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.links[path]
	return ok
}

// all returns the links that are followed.
func (e *linkEvents) all() (links []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for link := range e.links {
		links = append(links, link)
	}
	return links
}

func (e *linkEvents) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.held)
}
