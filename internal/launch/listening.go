package launch

import (
	"slices"

	"relevo/pool"
)

// listens reports each captured address on which the worker waits for clients once. The
// addresses of inherited listeners belong to the release, and the pool reports them.
func (p *Process) listens() {
	inherited := p.release.Addresses()
	addresses := slices.DeleteFunc(p.binder.listens(), func(address string) bool {
		return slices.Contains(inherited, address)
	})
	if len(addresses) > 0 {
		p.sink(pool.Listening{Addresses: addresses})
	}
}

// listens returns the addresses that it has not returned in an earlier call.
func (b *binder) listens() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	addresses := slices.Clone(b.addresses[b.listening:])
	b.listening = len(b.addresses)
	return addresses
}
