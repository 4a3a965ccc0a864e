package sleep

import "time"

// Connection is the server's end of a connection.
type Connection struct {
	Unread, Unsent           uint32 // bytes that wait to be read, or to be acknowledged
	Received, Sent           uint64 // bytes since its beginning
	SinceSent, SinceReceived time.Duration
}

// InUse says whether a client may wait for something on the connection, or something has passed
// within the last while. A connection that is kept open for the next request is not in use: all
// was answered, and the client has been silent since.
func (c Connection) InUse(within time.Duration) bool {
	switch {
	case c.Unread > 0 || c.Unsent > 0:
		return true
	case c.Received == 0: // nothing was asked
		return c.SinceReceived < within
	case c.Sent == 0: // the answer has not begun; both times may still be that of the connection
		return true
	}
	return c.SinceReceived < c.SinceSent || c.SinceSent < within
}
