package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Rest is what a Channel leaves for the next Channel of its connection.
type Rest struct {
	Unread []byte   `json:"unread,omitempty"` // what the peer has sent and was not delivered
	Unsent [][]byte `json:"unsent,omitempty"` // lines that wait; the first may be the end of a line
	State  []byte   `json:"state,omitempty"`  // the newest State, if it waits
	// Withheld: a line with a descriptor waits, which is not in Unsent.
	Withheld bool `json:"withheld,omitempty"`
	// Torn: the first line that is not in Unread may be only the end of a line. The previous
	// Channel could leave nothing, because its master died, or it was skipping the line.
	Torn bool `json:"torn,omitempty"`
}

// reader reads what was left, and then from the connection.
func (r Rest) reader(conn io.Reader) *Reader {
	if len(r.Unread) == 0 {
		return NewReader(conn)
	}
	left := bytes.NewReader(r.Unread)
	lines := NewReader(io.MultiReader(left, conn))
	lines.left = left
	return lines
}

// torn returns the number of the line that may be only the end of a line; 0: none.
func (r Rest) torn() int {
	if !r.Torn {
		return 0
	}
	return bytes.Count(r.Unread, []byte{'\n'}) + 1
}

// deadliner is a connection on which a read or write under way can be ended
// without harm to what it carries.
type deadliner interface{ SetDeadline(time.Time) error }

// Detach ends both directions and leaves the connection open and unharmed, for another Channel.
// When it returns, nothing is delivered any more. The error is ErrClosed if the channel has ended;
// otherwise ended is not called.
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

// interrupted says whether a read ended because of Detach, and not because the connection ended.
func interrupted(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrClosed)
}
