package generations

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"relevo/internal/config"
	"relevo/internal/ipc"
	"relevo/internal/procfs"
	"relevo/internal/procnet"
)

// leftBehind returns the pids of this app's workers that a killed master has left and that have an
// address. Of a family of processes it is the eldest.
func (r rivals) leftBehind(l config.Listen) string {
	_, port, err := net.SplitHostPort(l.Address)
	number, numberErr := strconv.Atoi(port)
	if err != nil || numberErr != nil {
		return ""
	}
	ours, theirs := procnet.Inodes(os.Getpid()), map[string]bool{}
	for _, s := range procnet.Waiting(l.Datagram()) {
		if int(s.Port()) == number && !ours[s.Inode] {
			theirs[s.Inode] = true
		}
	}
	left := slices.DeleteFunc(procfs.StartedWith(ipc.EnvControl, r.places.ControlSocket(r.app)), func(pid int) bool {
		return !hasOne(procnet.Inodes(pid), theirs)
	})
	return strings.Trim(fmt.Sprint(procfs.Eldest(left)), "[]")
}

func hasOne(of, wanted map[string]bool) bool {
	for inode := range wanted {
		if of[inode] {
			return true
		}
	}
	return false
}
