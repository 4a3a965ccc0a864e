package master

import (
	"os"
	"sync"

	"relevo/internal/ipc"
)

// notifications reads the notify socket of the workers. A replacement of the master pauses it, a
// thaw resumes it, and the end of the app closes it:
//
//	serve ──► read ──► pause ──► paused ──► resume ──► read
//	            └────────── close ──────────┴─► closed, for good
//
// The end of the app runs in a goroutine of its own and does not wait for a thaw: at a thaw the
// pool has to run again before notifications are read again, or there would be no pool to pass one to,
// and the pool may end in between. So a lock puts the calls in order.
type notifications struct {
	socket *ipc.NotifyServer
	report func(error)

	mu      sync.Mutex
	deliver func(ipc.Sender, ipc.Notification)
	ended   chan struct{} // closed when no goroutine reads any more; nil: none has read
	closed  bool
}

// serve reads until pause or close.
func (n *notifications) serve(deliver func(ipc.Sender, ipc.Notification)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deliver = deliver
	n.readLocked()
}

func (n *notifications) readLocked() {
	ended := make(chan struct{})
	n.ended = ended
	go func() {
		defer close(ended)
		n.report(n.socket.Serve(n.deliver))
	}()
}

// pause returns when everything that was read is delivered. Later notifications wait in the socket.
func (n *notifications) pause() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed && n.ended != nil {
		n.report(n.socket.Pause())
		<-n.ended
	}
}

// resume reads again, unless the app has ended meanwhile.
func (n *notifications) resume() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed && n.deliver != nil {
		n.report(n.socket.Resume())
		n.readLocked()
	}
}

// close removes the socket. It returns when everything that was read is delivered.
func (n *notifications) close() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.closed = true
	n.socket.Close()
	if n.ended != nil {
		<-n.ended
	}
}

// File returns a copy of the socket, for another master.
func (n *notifications) File() (*os.File, error) { return n.socket.File() }
