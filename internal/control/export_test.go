package control

import "time"

// SetPatience changes how long Status waits.
func SetPatience(c *Client, d time.Duration) { c.patience = d }

const (
	EventWrites = eventWrites
	LargeBodies = largeBodies
)

// SetServerPatience changes how long clients may take for an event and for a body.
func SetServerPatience(s *Server, event, body time.Duration) {
	s.writes.deafAfter, s.patience = event, body
}
