package launch

import "relevo/internal/sockdiag"

// connected are the sockets of this host that have a client at a port.
func connected(port uint16) (inodes []uint32) {
	all, _ := sockdiag.Established([]uint16{port})
	for _, c := range all {
		inodes = append(inodes, c.Inode)
	}
	return inodes
}
