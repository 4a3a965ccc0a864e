package control

import "time"

// SetPatience changes how long Status waits.
func SetPatience(c *Client, d time.Duration) { c.patience = d }
