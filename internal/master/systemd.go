package master

import (
	"context"
	"errors"

	"relevo/internal/announce"
	"relevo/pool"
	"relevo/pool/machine"
)

// statusText is the line of `systemctl status`.
func (c *core) statusText() string {
	status, err := c.running().Status()
	if err != nil {
		return "stopped"
	}
	var addresses []string
	for _, l := range c.serving().Bound() {
		addresses = append(addresses, l.Address)
	}
	return announce.StatusLine(status, addresses)
}

// rollSettled tells systemd the end of a reload in every case, because `systemctl reload` waits for
// it.
func (c *core) rollSettled(result pool.RollResult, err error) {
	if err == nil {
		err = result.Error()
	}
	switch {
	case result.Result == machine.Aborted, errors.Is(err, pool.ErrNotRunning), errors.Is(err, context.Canceled):
		// The service is stopping, and systemd knows that.
	case handedOver(err):
		// The next master tells systemd.
	case err != nil:
		c.systemd.Ready("reload failed, the old workers keep serving: " + err.Error())
	default:
		c.systemd.Ready(c.statusText())
	}
}
