package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Rest is what a Channel leaves to the one that goes on with its connection.
type Rest struct {
	Unread []byte   `json:"unread,omitempty"` // what the peer has said and nobody has heard
	Unsent [][]byte `json:"unsent,omitempty"` // lines that wait; the first may be the end of one
	State  []byte   `json:"state,omitempty"`  // the newest State, if it waits
	// Withheld: a line with a descriptor waits, which is not among them.
	Withheld bool `json:"withheld,omitempty"`
	// Torn: the first line that is not in Unread may be the end of one. The Channel
	// before did not come to leave anything, for its master died, or it was passing the
	// line over.
	Torn bool `json:"torn,omitempty"`
}

// reader reads what was left, and then the connection.
func (r Rest) reader(conn io.Reader) *Reader {
	if len(r.Unread) == 0 {
		return NewReader(conn)
	}
	left := bytes.NewReader(r.Unread)
	lines := NewReader(io.MultiReader(left, conn))
	lines.left = left
	return lines
}

// torn counts the lines up to the one that may be the end of one; 0: none may.
func (r Rest) torn() int {
	if !r.Torn {
		return 0
	}
	return bytes.Count(r.Unread, []byte{'\n'}) + 1
}

// deadliner is a connection on which a read or write under way can be ended
// without harm to what it carries.
type deadliner interface{ SetDeadline(time.Time) error }

// Detach ends both directions and leaves the connection open and unharmed, for
// another Channel to go on with. When it returns nothing is delivered any more.
// The error is ErrClosed where the channel has ended; where it has not, ended is
// not called.
func (c *Channel) Detach() (Rest, error) {
	conn, able := c.conn.(deadliner)
	if !able {
		return Rest{}, fmt.Errorf("internal error: cannot detach a channel from a %T", c.conn)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return Rest{}, ErrClosed
	}
	c.closed, c.detached = true, true
	close(c.done)
	c.mu.Unlock()
	err := conn.SetDeadline(time.Unix(1, 0))
	if !c.goneWithin(closePatience) {
		go c.conn.Close()
		return Rest{}, fmt.Errorf("cannot detach a channel within %s: a descriptor that the worker sent does not close",
			closePatience)
	}
	if c.ended {
		return Rest{}, ErrClosed
	}
	if err = errors.Join(err, conn.SetDeadline(time.Time{})); err != nil {
		return Rest{}, fmt.Errorf("cannot detach a channel: %w", err)
	}
	rest := Rest{Unread: append(c.ahead.lines(), c.lines.unread()...), State: c.state, Torn: c.torn > 0 ||
		c.lines.passing != nil}
	for _, o := range c.queue {
		if rest.Withheld = rest.Withheld || o.file != nil; o.file == nil {
			rest.Unsent = append(rest.Unsent, o.line)
		}
	}
	return rest, nil
}

// goneWithin waits for the goroutines, which may hang in a system call.
func (c *Channel) goneWithin(patience time.Duration) bool {
	gone := make(chan struct{})
	go func() { c.gone.Wait(); close(gone) }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-gone:
		return true
	case <-timer.C:
		return false
	}
}

// interrupted says whether a read ended because of Detach, and not because the
// connection did.
func interrupted(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrClosed)
}
