package rescue

import "time"

// look is what the kernel tells of a connection, from the server's end.
type look struct {
	unread, unsent           int    // bytes
	begins                   bool   // what is unread begins with a request line
	received, sent           uint64 // bytes since its beginning
	sinceReceived, sinceSent time.Duration
	nonBlocking              bool // the program's descriptor, which is the copy's, too
}

// verdict is what is to be done about a connection.
type verdict int

const (
	wait  verdict = iota // the worker is at work for it
	hold                 // keep back what the client sends from now on
	yield                // let the worker have it: it is reading a request
	idle                 // the worker is done with it
)

// Times of quiet. A program may pause between the head of an answer and its body.
const (
	quietAnswered = 60 * time.Millisecond // after an answer, with nothing more from the client
	quietHeld     = 30 * time.Millisecond // with the next request in the socket
)

// course is how the rescue of one connection goes.
type course struct {
	held     bool   // what the client sends stays in the socket
	sentThen uint64 // when it was held
	clean    bool   // no request was unanswered or half read when it was held
}

// judge decides from one look.
func (c *course) judge(l look) verdict {
	switch {
	case l.unsent > 0:
		return wait
	case !l.nonBlocking && !c.held:
		// A blocking read would take the data and go on waiting for more.
		return idleIf(l.unread == 0 && (l.received == 0 || answered(l) && l.sinceSent >= quietAnswered))
	case !c.held && l.unread > 0 && !l.begins:
		return wait // the rest of a request that the worker is reading
	case !c.held:
		return hold
	case l.unread == 0:
		return idleIf(l.received == 0 || answered(l) && l.sinceSent >= quietAnswered)
	case c.clean, l.sent > c.sentThen:
		// A client that does not pipeline sends its next request when it has its answer.
		return idleIf(min(l.sinceReceived, l.sinceSent) >= quietHeld)
	case !l.begins:
		return yield
	}
	return wait
}

func idleIf(condition bool) verdict {
	if condition {
		return idle
	}
	return wait
}

// answered says whether data went to the client after the last that came from it.
func answered(l look) bool { return l.unread == 0 && l.received > 0 && l.sinceSent <= l.sinceReceived }

// settle notes that a verdict was acted on.
func (c *course) settle(v verdict, l look) {
	switch v {
	case hold:
		c.held, c.sentThen = true, l.sent
		c.clean = l.unread > 0 && l.begins || l.unread == 0 && (answered(l) || l.received == 0)
	case yield:
		c.held = false
	}
}

// beginsLikeRequest says whether data may be the beginning of an HTTP/1 request: a
// method, as far as it has come, and a space. HTTP/2's preface looks like one.
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
