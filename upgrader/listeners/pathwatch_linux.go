package listeners

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pathWatch reports Unix sockets whose path was removed. It watches the files of the
// sockets and not their directories, so that other changes there do not wake the master:
// the kernel reports that a file's number of links has changed (IN_ATTRIB, inotify(7)).
type pathWatch struct {
	file  *os.File
	ended chan struct{} // closed when the goroutine is gone
}

// watchPaths calls changed, from one goroutine, after each change.
func watchPaths(changed func()) (*pathWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch paths: %w", err)
	}
	w := &pathWatch{file: os.NewFile(uintptr(fd), "paths of sockets"), ended: make(chan struct{})}
	if err := w.file.SetReadDeadline(time.Time{}); err != nil { // not in the poller: a read would hold a thread
		w.file.Close()
		return nil, fmt.Errorf("cannot watch paths: %w", err)
	}
	go func() {
		defer close(w.ended)
		events := make([]byte, 4096)
		for {
			if _, err := w.file.Read(events); err != nil {
				return
			}
			changed()
		}
	}()
	return w, nil
}

// add watches a file, which may be watched already.
func (w *pathWatch) add(path string) error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) {
		_, err = unix.InotifyAddWatch(int(fd), path, unix.IN_ATTRIB|unix.IN_DONT_FOLLOW)
	})
	if failed != nil {
		return failed
	}
	return err
}

func (w *pathWatch) close() {
	if w != nil {
		w.file.Close()
		<-w.ended
	}
}
