package listeners

import "net/netip"

// MainClient is the address that most of the connections come from which are open or have
// just ended: so many of all. Where the kernel does not tell, there are none.
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
