package launch

import (
	"slices"

	"relevo/pool"
)

// listens tells the captured addresses on which the worker waits for clients: once each.
// Those of inherited listeners are the release's, which the pool tells.
func (p *Process) listens() {
	inherited := p.release.Addresses()
	addresses := slices.DeleteFunc(p.binder.listens(), func(address string) bool {
		return slices.Contains(inherited, address)
	})
	if len(addresses) > 0 {
		p.sink(pool.Listening{Addresses: addresses})
	}
}

// listens returns the addresses that it has not returned before.
func (b *binder) listens() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	addresses := slices.Clone(b.addresses[b.listening:])
	b.listening = len(b.addresses)
	return addresses
}
