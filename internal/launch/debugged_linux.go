package launch

import "relevo/internal/sockdiag"

// connected returns the inodes of this host's sockets that have a client at a port.
func connected(port uint16) (inodes []uint32) {
	all, _ := sockdiag.Established([]uint16{port})
	for _, c := range all {
		inodes = append(inodes, c.Inode)
	}
	return inodes
}
