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
// an answer and its body.
const (
	quietAnswered = 60 * time.Millisecond  // after an answer, with nothing more from the client
	quietHeld     = 30 * time.Millisecond  // with the next request in the socket
	quietNew      = 50 * time.Millisecond  // after the handshake: the program may yet change the mode
	quietFirst    = 500 * time.Millisecond // after the handshake, if the first request cannot be held back
	// quietUnclear applies if data came and went within one tick of the kernel's clock: that
	// was a request and its answer, or an answer and the next request. A later
	// acknowledgement shows that the answer came last: most clients delay it by 40 ms, to
	// send it together with the next request.
	quietUnclear = 5 * time.Second
)

// course is the state of one connection's rescue.
type course struct {
	held    bool
	watched bool // it is only looked at, because its client is not to be rescued
}

// judge decides what to do with a connection, from one look at it.
func (c course) judge(l look) verdict {
	switch {
	case !c.held && !c.watched && l.unread == 0 && l.holdable():
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
	return idleIf(l.answered())
}

// holdable says whether what the client sends next can be held back from the worker. No
// blocking read may begin after that: a thread has to wait in a read already, or the
// connection is non-blocking and the program waits in epoll or the like.
func (l look) holdable() bool {
	switch {
	case l.reads:
		return true
	case l.received == 0:
		return !l.blocks && l.sinceReceived >= quietNew
	}
	return !l.blocks || l.answered()
}

// answered says whether data was sent to the client after its last data arrived.
func (l look) answered() bool {
	switch {
	case l.sent == 0 || l.sinceSent > l.sinceReceived:
		return false
	case l.sinceSent < l.sinceReceived || l.reads || l.sinceAck < l.sinceReceived:
		return l.sinceSent >= quietAnswered
	}
	return l.sinceSent >= quietUnclear
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
