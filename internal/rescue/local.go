package rescue

import (
	"net"
	"net/netip"
)

// Local says whether an address belongs to this host.
func Local(client netip.Addr) bool { return isLocal(client.Unmap().AsSlice()) }

func isLocal(ip net.IP) bool {
	if ip.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok && network.IP.Equal(ip) {
			return true
		}
	}
	return false
}
