package generations

import (
	"cmp"
	"fmt"

	"relevo/internal/config"
	"relevo/pool"
	"relevo/upgrader/listeners"
)

// stick has the clients of a listener stick to slots while the worker serves.
func (c *capturing) stick(l *listeners.Listener, o pool.Order) {
	c.report(l.Stick(o.ID))
}

// unstuck warns once that clients do not stick to workers, or are not spread evenly, although the
// configuration wants that: the program takes the inherited listener, which all workers share,
// instead of binding.
func (c *capturing) unstuck(l *listeners.Listener, o pool.Order, inherits bool) {
	if !inherits || !l.IsTCP() || l.Seated(o.ID) || c.hold.all.Set.Lent(l) {
		return
	}
	wanted := cmp.Or(c.hold.all.Set.Balance(l), c.balance)
	asked := wanted == config.BalanceSticky || wanted == config.BalanceEven
	if asked && c.hold.all.once.First("balance "+l.Address) {
		c.log.Warn("all workers share one socket, although balance is "+string(wanted)+": that is for programs that bind "+
			"their port by themselves, and this one takes the listener", "address", l.Address)
	}
}

// Clients seem to be behind one proxy if there are at least so many connections, and this part of
// them comes from one address.
const (
	enoughConnections = 16
	nearlyAll         = 0.95
)

// OneClient warns of sticky listeners whose clients seem to be behind one proxy.
func (l *Sockets) OneClient(serving *Hold) (warnings []string) {
	for _, socket := range serving.listeners() {
		if !socket.Sticky() {
			continue
		}
		address, of, all := socket.MainClient()
		if all >= enoughConnections && float64(of) >= nearlyAll*float64(all) {
			warnings = append(warnings,
				fmt.Sprintf("%d of %d connections to %s come from %s: behind a proxy all clients are one for "+
					"balance = \"sticky\", and go to one worker; let the proxy choose, or use balance = \"even\"", of, all,
					socket.Address, address))
		}
	}
	return warnings
}
