package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is the kernel's limit for symbolic links in one look-up.
const maxLinks = 40

// resolution is the outcome of one look-up of a path.
type resolution struct {
	nodes map[string]node     // what has to be watched: directories and the file
	names map[string]struct{} // the look-ups whose events matter, as full paths
	file  string              // where the path ends, without symbolic links; "" if err is set
	mode  fs.FileMode
	id    identity
	err   error // why the path leads nowhere
}

// walk is a look-up under way. It does what the kernel does (path_resolution(7)), step by
// step.
type walk struct {
	resolution
	dir   string   // the directory that it has reached, symbolic links resolved
	here  identity // of dir
	todo  []string // the components that follow
	links int
}

// resolve looks up an absolute path one component at a time.
func resolve(path string) resolution {
	w := walk{resolution: resolution{nodes: map[string]node{}, names: map[string]struct{}{}}}
	w.push(path)
	if w.err = w.root(); w.err != nil {
		return w.resolution
	}
	for w.err == nil && w.file == "" {
		if len(w.todo) == 0 {
			w.err = fmt.Errorf("cannot watch %s: it is a directory", w.dir)
			break
		}
		name := w.todo[0]
		w.todo = w.todo[1:]
		w.err = w.step(name)
	}
	return w.resolution
}

// with returns r with what the look-ups of other paths depend on. Their last step and their
// errors do not matter.
func (r resolution) with(ways []string) resolution {
	if len(ways) == 0 {
		return r
	}
	r.nodes, r.names = maps.Clone(r.nodes), maps.Clone(r.names)
	for _, way := range ways {
		other := resolve(way)
		maps.Copy(r.nodes, other.nodes)
		maps.Copy(r.names, other.names)
	}
	return r
}

// push puts the components of path before those that follow.
func (w *walk) push(path string) {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	w.todo = append(parts, w.todo...)
}

func (w *walk) root() error { return w.stand("/") }

// stand moves the walk to a directory, whose path has no symbolic links.
func (w *walk) stand(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	w.dir, w.here = dir, identityOf(fi)
	return nil
}

func (w *walk) step(name string) error {
	if name == ".." {
		return w.stand(filepath.Dir(w.dir))
	}
	full := filepath.Join(w.dir, name)
	fi, err := os.Lstat(full)
	switch {
	case err != nil:
		w.look(full)
		return err
	case fi.Mode()&fs.ModeSymlink != 0:
		w.look(full)
		return w.follow(full)
	case fi.IsDir():
		if len(w.todo) == 0 {
			w.look(full) // the file can appear only after this component has changed
		}
		w.enter(full, identityOf(fi))
		return nil
	case len(w.todo) > 0:
		w.look(full)
		return &fs.PathError{Op: "lookup", Path: full, Err: syscall.ENOTDIR}
	}
	w.look(full)
	w.file, w.mode, w.id = full, fi.Mode(), identityOf(fi)
	w.nodes[full] = w.id.node
	return nil
}

// look notes that the path depends on full, an entry of dir.
func (w *walk) look(full string) {
	w.nodes[w.dir] = w.here.node
	w.names[full] = struct{}{}
}

// enter goes into a directory. The directory itself is watched, to see that it is moved,
// except directly below / and at mount points, which are not moved.
func (w *walk) enter(full string, id identity) {
	w.names[full] = struct{}{}
	if w.dir != "/" && id.dev == w.here.dev {
		w.nodes[full] = id.node
	}
	w.dir, w.here = full, id
}

func (w *walk) follow(link string) error {
	w.links++
	if w.links > maxLinks {
		return &fs.PathError{Op: "lookup", Path: link, Err: syscall.ELOOP}
	}
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	w.push(target)
	if strings.HasPrefix(target, "/") {
		return w.root()
	}
	return nil
}

// missing says whether the path leads nowhere at the moment. It is false if the path cannot
// be looked up for another reason.
func (r *resolution) missing() bool {
	return errors.Is(r.err, fs.ErrNotExist) || errors.Is(r.err, syscall.ENOTDIR)
}
