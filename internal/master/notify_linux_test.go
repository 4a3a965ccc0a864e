package master

import (
	"net"
	"path/filepath"
	"sync"
	"testing"

	"relevo/internal/ipc"
)

// notified reads a notify socket, and fails the test on an error.
func notified(t *testing.T) (n *notifications, path string) {
	t.Helper()
	path = filepath.Join(shortDir(t), "notify")
	socket, err := ipc.ListenNotify(path)
	if err != nil {
		t.Fatal(err)
	}
	n = &notifications{socket: socket, report: func(err error) {
		if err != nil {
			t.Error(err)
		}
	}}
	n.serve(func(ipc.Sender, ipc.Notification) {})
	return n, path
}

// TestThawBesideEnd: an app may end while a failed replacement of the master thaws everything.
// Whichever is first, in the end the notify socket is not read, and no error is reported.
func TestThawBesideEnd(t *testing.T) {
	t.Parallel()
	for range 20 {
		n, _ := notified(t)
		n.pause()
		var both sync.WaitGroup
		both.Go(n.resume)
		both.Go(n.close)
		both.Wait()
	}
	n, path := notified(t)
	n.pause()
	n.close()
	n.resume()
	n.pause()
	n.close()
	if _, err := net.Dial("unixgram", path); err == nil {
		t.Error("the socket is open after the end")
	}
}
