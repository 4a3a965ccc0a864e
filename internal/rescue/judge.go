package rescue

import "time"

// look is what the kernel tells of a connection, from the server's end.
type look struct {
	unread, unsent           int    // bytes
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
	quietAnswered = 60 * time.Millisecond  // after an answer, with nothing more from the client
	quietHeld     = 30 * time.Millisecond  // with the next request in the socket
	uploadDoubt   = 250 * time.Millisecond // after which a request held back may be the rest of one that is being read
)

// course is how the rescue of one connection goes.
type course struct {
	held     bool      // what the client sends stays in the socket
	since    time.Time // held, or yielded
	sentThen uint64    // when it was held
	clean    bool      // nothing was unanswered when it was held
}

// judge decides from one look.
func (c *course) judge(now time.Time, l look) verdict {
	if l.unsent > 0 {
		return wait
	}
	if !c.held {
		return c.judgeFree(now, l)
	}
	switch {
	case l.unread == 0:
		return idleIf(answered(l) && l.sinceSent >= quietAnswered || l.received == 0)
	case c.clean, l.sent > c.sentThen:
		// A client that does not pipeline sends its next request when it has its answer.
		return idleIf(min(l.sinceReceived, l.sinceSent) >= quietHeld)
	case now.Sub(c.since) >= uploadDoubt:
		return yield
	}
	return wait
}

func (c *course) judgeFree(now time.Time, l look) verdict {
	switch {
	case !l.nonBlocking:
		// A blocking read would take the data and go on waiting for more.
		return idleIf(l.unread == 0 && (l.received == 0 || answered(l) && l.sinceSent >= quietAnswered))
	case !c.since.IsZero() && now.Sub(c.since) < uploadDoubt && !answered(l):
		return wait // it has just been yielded
	}
	return hold
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
func (c *course) settle(now time.Time, v verdict, l look) {
	switch v {
	case hold:
		c.held, c.since, c.sentThen, c.clean = true, now, l.sent, answered(l) || l.received == 0 && l.unread == 0
	case yield:
		c.held, c.since = false, now
	}
}
