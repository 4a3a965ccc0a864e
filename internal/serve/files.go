package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// files serves a directory. The kernel's path look-up never leaves it: os.Root
// opens one component after the other and refuses symbolic links that lead out.
type files struct {
	root    *os.Root
	hidden  bool
	listing bool
	single  bool // paths that do not exist are routes of index.html
	most    int  // entries in a listing
	log     *slog.Logger
}

func newFiles(o Options) (*files, error) {
	root, err := openRoot(o.Dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("cannot serve %s: %w; the worker's user needs to read it", o.Dir, reason(err))
	case err != nil:
		return nil, fmt.Errorf("cannot serve %s: %w; name an existing directory, or none for the live page", o.Dir,
			reason(err))
	}
	f := &files{root: root, hidden: o.Hidden, listing: !o.NoListing, single: o.SinglePage, most: maxListed, log: o.Log}
	if f.single {
		if _, err := root.Stat(indexPage); err != nil {
			root.Close()
			return nil, fmt.Errorf("cannot serve %s as a single-page app: its index.html cannot be read: %w", o.Dir, reason(err))
		}
	}
	return f, nil
}

// openRoot looks before it opens: os.OpenRoot waits for the writer of a fifo.
func openRoot(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, syscall.ENOTDIR
	}
	return os.OpenRoot(dir)
}

// reason takes the path off an error whose message names it already.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !readOnly(w, r) {
		return
	}
	clean := path.Clean("/" + r.URL.Path)
	if !f.hidden && isHidden(clean) {
		f.fail(w, clean, fs.ErrNotExist)
		return
	}
	name := strings.TrimPrefix(clean, "/")
	if name == "" {
		name = "."
	}
	f.serve(w, r, name)
}

// readOnly answers other methods than GET and HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
	return false
}

// isHidden reports whether a component of a clean path begins with a dot. It
// judges the path that is asked for: a symbolic link that the owner of the
// directory gave a plain name may lead through ".data".
func isHidden(clean string) bool {
	rest, known := strings.CutPrefix(clean, "/.well-known")
	if known && (rest == "" || rest[0] == '/') {
		clean = rest
	}
	return strings.Contains(clean, "/.")
}

func (f *files) serve(w http.ResponseWriter, r *http.Request, name string) {
	file, info, err := f.open(name)
	if f.isRoute(name, info, err) {
		if err == nil {
			file.Close()
		}
		f.sendPage(w, r)
		return
	}
	if err != nil {
		f.fail(w, name, err)
		return
	}
	defer file.Close()
	slash := namesDir(r.URL.Path)
	switch {
	case info.IsDir() && !slash && name != ".":
		redirect(w, r, path.Base(name)+"/")
	case info.IsDir():
		f.serveDir(w, r, file, name)
	case slash:
		f.fail(w, name, syscall.ENOTDIR)
	default:
		f.send(w, r, file, info)
	}
}

// namesDir reports whether a path can mean a directory only.
func namesDir(p string) bool {
	return strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
}

// redirect sends the client to a sibling of what it asked for. The location is
// relative, so that it holds behind a proxy that takes a prefix away.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	u := url.URL{Path: "./" + to, RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusMovedPermanently)
}

// errSpecial is the answer for what is neither a file nor a directory.
var errSpecial = errors.New("not a regular file")

// openFlags do not wait for the writer of a fifo.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// open opens a regular file or a directory. Others are not opened where that
// can be known before, because opening a device may do something.
func (f *files) open(name string) (*os.File, fs.FileInfo, error) {
	if info, err := f.root.Stat(name); err != nil {
		return nil, nil, err
	} else if !isPlain(info) {
		return nil, nil, errSpecial
	}
	file, err := f.root.OpenFile(name, openFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !isPlain(info) {
		err = errSpecial
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func isPlain(info fs.FileInfo) bool { return info.Mode().IsRegular() || info.IsDir() }

// send answers with a file. Where it becomes shorter meanwhile, net/http ends
// the connection and the client sees that bytes are missing.
func (f *files) send(w http.ResponseWriter, r *http.Request, file *os.File, info fs.FileInfo) {
	w.Header().Set("ETag", etag(info, time.Now()))
	if f.single && info.Name() == indexPage {
		w.Header().Set("Cache-Control", "no-cache") // an old page names files that a new release has not
	}
	http.ServeContent(w, r, info.Name(), info.ModTime(), file)
}

// etag tells two states of a file apart. It is weak, and so not used for
// ranges, while the file is so new that it could change without a trace in its
// modification time.
func etag(info fs.FileInfo, now time.Time) string {
	tag := fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
	if now.Sub(info.ModTime()) < time.Second {
		return "W/" + tag
	}
	return tag
}

// serveDir answers for a directory whose path ends with a slash.
func (f *files) serveDir(w http.ResponseWriter, r *http.Request, dir *os.File, name string) {
	index, info, err := f.open(path.Join(name, indexPage))
	switch {
	case err == nil && !info.IsDir():
		defer index.Close()
		f.send(w, r, index, info)
		return
	case err == nil:
		index.Close()
	case !isMissing(err):
		f.fail(w, path.Join(name, indexPage), err)
		return
	}
	if !f.listing {
		f.fail(w, name, fs.ErrPermission)
		return
	}
	page, err := f.list(dir, name)
	if err != nil {
		f.fail(w, name, err)
		return
	}
	page.write(w)
}

// isMissing reports whether a path leads nowhere that may be known: names that
// cannot exist, and links that lead out, are the same as missing.
func isMissing(err error) bool {
	for _, missing := range []error{fs.ErrNotExist, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL} {
		if errors.Is(err, missing) {
			return true
		}
	}
	return refused(err)
}

// refused reports whether os.Root itself ended a look-up, at a symbolic link
// that leads out or at one too many. Those errors are not exported, and are the
// only ones of a path that are no errno.
func refused(err error) bool {
	var pathErr *fs.PathError
	var errno syscall.Errno
	return errors.As(err, &pathErr) && !errors.As(err, &errno)
}

// fail answers with an error and logs what the owner of the directory can mend.
func (f *files) fail(w http.ResponseWriter, name string, err error) {
	status, text := http.StatusInternalServerError, "this file cannot be read just now"
	switch {
	case isMissing(err):
		status, text = http.StatusNotFound, "there is nothing at this address"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errSpecial):
		status, text = http.StatusForbidden, "this is not for you to read"
	}
	if err != fs.ErrPermission && (status != http.StatusNotFound || refused(err)) {
		f.log.Warn("cannot serve a file", "file", name, "status", status, "err", err)
	}
	http.Error(w, text, status)
}
