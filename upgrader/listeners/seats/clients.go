package seats

import "net/netip"

// MainClient returns the client address with the most connections, open or just ended: its
// number of them, and the number of all. If the kernel does not list connections, all is 0.
func (g *Group) MainClient() (address netip.Addr, of, all int) {
	counts := map[netip.Addr]int{}
	if err := connections(g.where, func(remote netip.AddrPort) { counts[remote.Addr()]++ }); err != nil {
		return address, 0, 0
	}
	for a, n := range counts {
		all += n
		if n > of {
			address, of = a, n
		}
	}
	return address, of, all
}
