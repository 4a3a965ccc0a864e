package rescue

import (
	"time"

	"relevo/internal/sockdiag"
)

// look is what the kernel shows of the server's end of a connection.
type look struct {
	unread, unsent           int    // bytes
	begins                   bool   // what is unread begins with a request line
	received, sent           uint64 // bytes since its beginning
	sinceReceived, sinceSent time.Duration
	sinceAck                 time.Duration // since the client's last acknowledgement
	blocks                   bool          // a read of it waits for data (O_NONBLOCK is not set)
	reads                    bool          // a thread of the worker waits in such a read
	threaded                 bool          // threads of the worker wait in reads of its connections
}

// verdict is what to do with a connection.
type verdict int

const (
	wait  verdict = iota // the worker works on a request
	hold                 // hold back what the client sends from now on
	yield                // undo hold: the worker is reading a request
	idle                 // the worker has answered everything
)

// How long a connection has to be quiet to be idle. A program may pause between the head of
// an answer and its body, and nothing but the next request shows that an answer is whole.
const (
	quietStays = 60 * time.Millisecond // a pause does no harm: the worker keeps the connection
	quietReads = 60 * time.Millisecond // a thread waits for the next request, so there is no pause
	// quietAnswered is for a connection that is kept. The worker may end when it is idle.
	quietAnswered = 2 * time.Second
	// quietWatched is for a connection that ends with the worker.
	quietWatched = 500 * time.Millisecond
	quietHeld    = 30 * time.Millisecond  // with the next request in the socket
	quietNew     = 50 * time.Millisecond  // after the handshake: the program may yet change the mode
	quietFirst   = 500 * time.Millisecond // after the handshake, if the first request cannot be held back
	// quietUnclear applies if data came and went within one tick of the kernel's clock: that
	// was a request and its answer, or an answer and the next request. A later
	// acknowledgement shows that the answer came last: most clients delay it by 40 ms, to
	// send it together with the next request. It also applies if the program has a thread for
	// each connection, and none waits for the next request in this one.
	quietUnclear = 5 * time.Second
)

// course is the state of one connection's rescue.
type course struct {
	held    bool
	watched bool // it is only looked at, because its client is not to be rescued
	stays   bool // the worker finishes its answer and closes it, see Holding.WorkerCloses
}

// judge decides what to do with a connection, from one look at it.
func (c course) judge(l look) verdict {
	switch {
	case !c.held && !c.watched && l.unread == 0 && c.holdable(l):
		return hold
	case l.unsent > 0:
		return wait
	case l.unread > 0 && !l.begins:
		// The rest of a request that the worker is reading.
		if c.held {
			return yield
		}
		return wait
	case !c.held && l.unread > 0:
		return wait // the worker was woken for it
	case l.unread > 0:
		// A client that does not pipeline sends its next request when it has its answer.
		return idleIf(min(l.sinceReceived, l.sinceSent) >= quietHeld)
	case l.received == 0:
		return idleIf(c.held || l.sinceReceived >= quietFirst)
	}
	return idleIf(c.answered(l))
}

// holdable says whether what the client sends next can be held back from the worker. No
// blocking read may begin after that: a thread has to wait in a read already, or the
// connection is non-blocking and the program waits in epoll or the like.
func (c course) holdable(l look) bool {
	switch {
	case l.reads:
		return true
	case l.received == 0:
		return !l.blocks && l.sinceReceived >= quietNew
	}
	return !l.blocks || c.answered(l)
}

// answered says whether data was sent to the client after its last data arrived, and the
// answer is whole.
func (c course) answered(l look) bool {
	if l.sent == 0 || l.sinceSent > l.sinceReceived {
		return false
	}
	return l.sinceSent >= c.quiet(l)
}

// quiet returns how long ago the last data must have been sent.
func (c course) quiet(l look) time.Duration {
	switch {
	case l.reads:
		return quietReads
	case l.threaded:
		return quietUnclear
	case l.sinceSent == l.sinceReceived && l.sinceAck >= l.sinceReceived:
		return quietUnclear
	case c.stays:
		return quietStays
	case c.watched:
		return quietWatched
	}
	return quietAnswered
}

// Idle says whether the client of a connection that is not held waits for nothing.
func Idle(c sockdiag.Connection) bool {
	return course{watched: true}.judge(look{
		unread: int(c.Unread), unsent: int(c.Unsent), received: c.Received, sent: c.Sent,
		sinceReceived: time.Duration(c.SinceReceived) * time.Millisecond,
		sinceSent:     time.Duration(c.SinceSent) * time.Millisecond,
		sinceAck:      time.Duration(c.SinceAck) * time.Millisecond,
	}) == idle
}

func idleIf(condition bool) verdict {
	if condition {
		return idle
	}
	return wait
}

// beginsLikeRequest says whether data may be the beginning of an HTTP/1 request: a method,
// or a part of one, and a space. The preface of HTTP/2 looks the same.
func beginsLikeRequest(head []byte) bool {
	for i, b := range head {
		switch {
		case b == ' ':
			return i > 0 && string(head[:i]) != "PRI"
		case b < 'A' || b > 'Z' || i >= longestMethod:
			return false
		}
	}
	return len(head) > 0
}

const longestMethod = 20
