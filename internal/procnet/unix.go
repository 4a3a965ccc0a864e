package procnet

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
)

// UnixClients counts the connections to a Unix socket that listens, also those that were not
// accepted yet. The kernel gives the server's end of each the path of the listening socket.
func UnixClients(listening uint64) (clients int) {
	all := unixSockets()
	i := slices.IndexFunc(all, func(s unixSocket) bool { return s.inode == listening })
	if i < 0 {
		return 0
	}
	path := all[i].path
	for _, s := range all {
		if s.path == path && s.inode != listening && s.connected {
			clients++
		}
	}
	return clients
}

// UnixListeners returns the paths of the Unix sockets at which a process listens. Empty if its
// descriptors cannot be read.
func UnixListeners(pid int) (paths []string) {
	own := Inodes(pid)
	for _, s := range unixSockets() {
		if s.listens && own[strconv.FormatUint(s.inode, 10)] {
			paths = append(paths, s.path)
		}
	}
	return paths
}

type unixSocket struct {
	inode     uint64
	path      string
	connected bool
	listens   bool
}

// unixSockets reads the table: the fourth field has a flag of sockets that listen, the sixth is the
// state, 01 where it is not connected, the seventh one the inode, and what follows is the path.
func unixSockets() (all []unixSocket) {
	file, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 8 {
			continue // without a path
		}
		inode, err := strconv.ParseUint(f[6], 10, 64)
		if err != nil {
			continue // the headline
		}
		_, path, _ := strings.Cut(lines.Text(), " "+f[6]+" ")
		all = append(all, unixSocket{inode: inode, path: path, connected: f[5] != "01",
			listens: f[3] == "00010000"})
	}
	return all
}
