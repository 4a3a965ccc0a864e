package master

import (
	"os"
	"sync"

	"relevo/internal/ipc"
)

// notifications are read from the notify socket of the workers. A replacement of the master
// pauses that, a thaw resumes it, and the end of the app closes it, whichever is first:
//
//	serve ──► read ──► pause ──► paused ──► resume ──► read
//	            └────────── close ──────────┴─► closed, for good
//
// The end of the app is a goroutine of its own, and does not wait for a thaw: the pool, whose end
// it is, has to go on before notifications do, or one of them would find nobody to tell. So a
// lock has them follow each other.
type notifications struct {
	socket *ipc.NotifyServer
	report func(error)

	mu      sync.Mutex
	deliver func(ipc.Sender, ipc.Notification)
	ended   chan struct{} // closed when nothing more is read; nil: nothing was
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

// pause returns when what was read is delivered. What comes then waits in the socket.
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

// resume reads again, where the app has not ended meanwhile.
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

// close removes the socket, and returns when what was read is delivered.
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

// File is a copy of the socket, for another master.
func (n *notifications) File() (*os.File, error) { return n.socket.File() }
